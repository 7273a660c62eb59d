//! A lane passes from its owner to its favourite node (`balance.rs` says which lanes): once nothing of it is in
//! flight or in memory, due when its next request may start.
//!
//! Until then its owner loads no more of it, so that even a lane that is never idle is given away within the time
//! that its requests in flight take. It is then free, like that of a node that shut down, with one difference: for
//! a second only its favourite takes it. So nothing depends on that node: if it is gone, another takes over.

use std::sync::Arc;

use super::{tx::Tx, witness::Witness};
use crate::{
    outbox::Outbox,
    store::{endpoint_cache::Known, error::StoreError},
};

/// For how long, in milliseconds, a lane that is due waits for the node that it is offered to; then any node
/// takes it. Much longer than it takes to notify a node.
const OFFER_MS: i64 = 1_000;

/// Lanes due by then are taken by whichever node comes first, even if they were offered to another.
pub(super) fn open_to_all(now: i64) -> i64 {
    now.saturating_sub(OFFER_MS)
}

/// What becomes of the lane of an outbox that gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    Given,
    /// Not yet: it is given when the requests in flight have ended.
    Waits,
    /// This node has become its favourite, or it cannot be given.
    Stays,
}

/// Lanes that are offered, as columns. All of them are locked.
#[derive(Default)]
struct Offers {
    keys: Vec<i64>,
    /// When the next request to each may start.
    free_at: Vec<i64>,
    favourites: Vec<i64>,
}

impl Offers {
    fn add(&mut self, key: i64, free_at: i64, favourite: i64) {
        self.keys.push(key);
        self.free_at.push(free_at);
        self.favourites.push(favourite);
    }
}

impl Tx<'_> {
    /// Gives back those of these lanes that this node owns and whose favourite is another. Lanes that others
    /// have locked are left for the next time.
    pub(super) async fn give_back(&mut self, keys: &[i64]) -> Result<(), StoreError> {
        let now = self.now();
        let mut offers = Offers::default();
        let mut in_memory = Vec::new();
        for key in self.take_own_lanes(keys).await? {
            let Some(favourite) = self.favourites.other_than(self.node, key) else {
                continue;
            };
            match self.endpoints.cache.by_key(key) {
                Known::Held(outbox) if outbox.endpoint().keeps_lane => {
                    let given = outbox.give_way(now);
                    self.commit.take_back(&outbox, given);
                    self.commit.touched.push(Arc::clone(&outbox));
                    // Otherwise it is given when the requests in flight have ended.
                    if let Some(free_at) = outbox.goes_at(now) {
                        offers.add(key, free_at, favourite);
                        in_memory.push(outbox);
                    }
                }
                Known::Held(_) | Known::Removed => {}
                Known::Not => offers.add(key, now, favourite),
            }
        }
        let taken = self.offer(&offers).await?;
        for outbox in in_memory {
            if taken.contains(&outbox.key()) {
                outbox.gave_way();
            } else {
                outbox.stays();
                self.commit.follow(&outbox, outbox.wake());
            }
        }
        Ok(())
    }

    /// Gives the lane of an outbox that gives way to its favourite, once nothing of it is in flight.
    pub(super) async fn give_lane(&mut self, outbox: &Arc<Outbox>) -> Result<Passing, StoreError> {
        let favourite = self.favourites.other_than(self.node, outbox.key());
        let Some(favourite) = favourite.filter(|_| outbox.endpoint().keeps_lane) else {
            outbox.stays();
            return Ok(Passing::Stays);
        };
        let Some(free_at) = outbox.goes_at(self.now()) else {
            return Ok(Passing::Waits);
        };
        let mut offers = Offers::default();
        offers.add(outbox.key(), free_at, favourite);
        self.commit.touched.push(Arc::clone(outbox));
        if self.offer(&offers).await?.is_empty() {
            outbox.stays();
            return Ok(Passing::Stays);
        }
        outbox.gave_way();
        Ok(Passing::Given)
    }

    /// Locks those of these lanes that this node owns and that nobody has locked.
    async fn take_own_lanes(&mut self, keys: &[i64]) -> Result<Vec<i64>, StoreError> {
        let taken: Vec<i64> = self
            .query(
                "select endpoint_key from webhooks.lane where endpoint_key = any($1) and node = $2 and owned
                 order by endpoint_key for update skip locked",
            )
            .bind(keys)
            .bind(self.node)
            .read_values(self.connection)
            .await?;
        for key in &taken {
            self.lanes.add(*key);
        }
        Ok(taken)
    }

    /// Frees lanes, each for a node that is alive and not shutting down. Returns which; the others stay as they are.
    async fn offer(&mut self, offers: &Offers) -> Result<Vec<i64>, StoreError> {
        if offers.keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, i64)> = self
            .query(
                "update webhooks.lane l set node = null, offered_to = t.favourite,
                     due_at = case when e.state = 'active' then greatest(l.due_at, l.backoff_until, t.at) else l.due_at end
                 from unnest($1::int8[], $2::int8[], $3::int8[]) as t(key, at, favourite)
                 cross join lateral (
                     select x.ctid from webhooks.lane x where x.endpoint_key = t.key limit 1) found
                 cross join lateral (
                     select x.state from webhooks.endpoint x where x.key = t.key limit 1) e
                 where l.ctid = found.ctid and l.node = $4 and l.owned and exists (
                     select 1 from webhooks.node n where n.id = t.favourite and n.alive and not n.leaving)
                 returning t.key, t.favourite",
            )
            .bind(&offers.keys)
            .bind(&offers.free_at)
            .bind(&offers.favourites)
            .bind(self.node)
            .read_rows(self.connection)
            .await?;
        let mut taken = Vec::with_capacity(rows.len());
        for (key, favourite) in rows {
            self.lane_floors.forget(key);
            self.concerned.owner(favourite);
            // Until it is known whether this was committed, nothing more is loaded from the lane.
            self.leaves(Witness::Given { key });
            taken.push(key);
        }
        Ok(taken)
    }
}
