//! An engine ends while others go on: what waits in its memory is free for them as soon as it begins no
//! further request, not when the last one here has ended. An owned lane follows when nothing of it is in
//! flight, dated by when its next request may start; for a second it waits for the node whose favourite it is
//! among the others, as any lane that changes its owner.
//!
//! What is left then, [`Reader::leave`](super::row::Reader::leave) frees.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::Row;

use super::{
    bell::Concerned,
    tx::Tx,
    witness::{Claims, Witness},
};
use crate::{
    model::delivery::ClaimedDelivery,
    outbox::Outbox,
    store::{ask::LetGoOf, error::StoreError},
};

/// What a transaction has let go of.
#[derive(Default)]
pub(super) struct Gone {
    /// Rows of each endpoint that were in memory.
    rows: Vec<(Arc<Outbox>, usize)>,
    /// Lanes are left that this node owns and has requests of in flight, or that others were at.
    pub(super) leaves_lanes: bool,
}

impl Gone {
    /// The transaction is committed.
    pub(super) fn stored(self) {
        for (outbox, rows) in self.rows {
            outbox.is_let_go(rows);
        }
    }
}

impl Tx<'_> {
    /// Frees what this engine has in memory, and the lanes that it has in hand.
    pub(super) async fn let_go(&mut self, extent: LetGoOf) -> Result<Gone, StoreError> {
        let now = self.now();
        let outboxes = self.endpoints.cache.outboxes();
        let outboxes: BTreeMap<i64, Arc<Outbox>> = outboxes
            .into_iter()
            .map(|outbox| (outbox.key(), outbox))
            .collect();
        let mut keys: BTreeSet<i64> = outboxes.keys().copied().collect();
        let mut unknown = BTreeSet::new();
        if extent == LetGoOf::All {
            unknown = self.owned_lanes().await?;
            unknown.retain(|key| !keys.contains(key));
            keys.extend(&unknown);
        }
        let busy = self.busy_lanes(&keys).await?;
        let mut gone = Gone {
            leaves_lanes: !busy.is_empty(),
            rows: Vec::new(),
        };
        let mut freed = Freed::default();
        for key in unknown.into_iter().filter(|key| !busy.contains(key)) {
            freed.add_lane(key, now, self.favourites.without(self.node, key));
        }
        for (key, outbox) in outboxes {
            if busy.contains(&key) {
                continue;
            }
            let let_go = outbox.let_go(now);
            self.lane_floors.forget(key);
            let has_lane = self.lanes.holds(key);
            for row in &let_go.rows {
                freed.add_row(key, row, has_lane);
            }
            let is_owned = outbox.endpoint().keeps_lane;
            if let Some(at) = let_go.free_at.or((!is_owned).then_some(now)) {
                freed.add_lane(key, at, self.favourites.without(self.node, key));
            } else {
                gone.leaves_lanes = true;
            }
            self.commit.follows.released += let_go.rows.len();
            gone.rows.push((outbox, let_go.rows.len()));
        }
        freed.write(self, now).await?;
        if extent == LetGoOf::All {
            self.say_leaving().await?;
        }
        Ok(gone)
    }

    /// Nothing is given to this node any more, nor by it. Last of its transaction: the next beat waits for it.
    async fn say_leaving(&mut self) -> Result<(), StoreError> {
        self.favourites.end();
        self.query("update webhooks.node set leaving = true where id = $1")
            .bind(self.node)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Those of this node, of endpoints that memory may know nothing of.
    async fn owned_lanes(&mut self) -> Result<BTreeSet<i64>, StoreError> {
        // All lanes are read for it: as when a node's death sets them free, this happens once in its life.
        let rows = self
            .query("select endpoint_key from webhooks.lane where node = $1 and owned")
            .bind(self.node)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?)
    }
}

/// Rows and lanes that a transaction frees, as columns. All lanes that are there are locked.
#[derive(Default)]
struct Freed {
    rows: Claims,
    /// Whether the lane of each is there.
    in_lane: Vec<bool>,
    lanes: Vec<i64>,
    /// When the next request to each may start.
    free_at: Vec<i64>,
    /// Whose favourite each is then.
    favourites: Vec<Option<i64>>,
}

impl Freed {
    fn add_row(&mut self, key: i64, row: &ClaimedDelivery, has_lane: bool) {
        self.rows.seqs.push(row.event.seq);
        self.rows.keys.push(key);
        self.rows.claims.push(row.claim);
        self.in_lane.push(has_lane);
    }

    fn add_lane(&mut self, key: i64, free_at: i64, favourite: Option<i64>) {
        self.lanes.push(key);
        self.free_at.push(free_at);
        self.favourites.push(favourite);
    }

    async fn write(self, tx: &mut Tx<'_>, now: i64) -> Result<(), StoreError> {
        if !self.rows.seqs.is_empty() {
            self.write_rows(tx, now).await?;
            tx.leaves(Witness::Released(self.rows));
            tx.concerned.join(Concerned::All);
        }
        let freed = tx
            .query(
                "update webhooks.lane l
                 set node = null,
                     offered_to = (select n.id from webhooks.node n where n.id = t.favourite and n.alive and not n.leaving),
                     due_at = case when e.state = 'active' then greatest(l.due_at, l.backoff_until, t.at) else l.due_at end
                 from unnest($1::int8[], $2::int8[], $3::int8[]) as t(key, at, favourite), webhooks.endpoint e
                 where l.endpoint_key = t.key and e.key = t.key and l.node = $4",
            )
            .bind(&self.lanes)
            .bind(&self.free_at)
            .bind(&self.favourites)
            .bind(tx.node)
            .execute(&mut *tx.connection)
            .await?;
        if freed.rows_affected() > 0 {
            tx.concerned.join(Concerned::All);
        }
        Ok(())
    }

    /// Nobody holds them any more, and they are due: in the lane, or each by itself where there is none. To
    /// make one might mean to wait, with others in hand.
    async fn write_rows(&self, tx: &mut Tx<'_>, now: i64) -> Result<(), StoreError> {
        tx.query(
            "update webhooks.delivery d
             set claim = null, lane = d.lane and t.in_lane,
                 due_at = case when d.lane and t.in_lane then least(d.due_at, $5) else $5 end
             from unnest($1::int8[], $2::int8[], $3::int8[], $4::bool[]) as t(seq, key, claim, in_lane)
             cross join lateral (
                 select x.ctid from webhooks.delivery x
                 where x.event_seq = t.seq and x.endpoint_key = t.key limit 1) found
             where d.ctid = found.ctid and d.claim = t.claim",
        )
        .bind(&self.rows.seqs)
        .bind(&self.rows.keys)
        .bind(&self.rows.claims)
        .bind(&self.in_lane)
        .bind(now)
        .execute(&mut *tx.connection)
        .await?;
        // A lane may have come to be another's, who has all that was in it.
        let in_lane = self.rows.keys.iter().zip(&self.in_lane);
        let keys: BTreeSet<i64> = in_lane
            .filter(|(_, has)| **has)
            .map(|(key, _)| *key)
            .collect();
        let node = tx.node;
        tx.reader().date_lanes_of_others(node, keys, now).await
    }
}
