//! An engine shuts down while others continue: what waits in its memory is free for them as soon as it starts no
//! further request, not only when its last one has ended. An owned lane follows when nothing of it is in flight,
//! due when its next request may start; for a second it waits for its favourite among the others, like any lane
//! that changes its owner.
//!
//! [`Reader::leave`](super::row::Reader::leave) frees what is left after that.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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

/// What a transaction has released.
#[derive(Default)]
pub(super) struct Gone {
    /// Rows of each endpoint that were in memory.
    rows: Vec<(Arc<Outbox>, usize)>,
    /// Some lanes are left: this node owns them and has requests of them in flight, or others held them.
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
    /// Frees what this engine has in memory, and the lanes that it holds.
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

    /// From now on nothing is given to this node, or by it. Comes last in its transaction, because the next
    /// heartbeat waits for it.
    async fn say_leaving(&mut self) -> Result<(), StoreError> {
        self.favourites.end();
        self.query("update webhooks.node set leaving = true where id = $1")
            .bind(self.node)
            .execute(self.connection)
            .await?;
        Ok(())
    }

    /// The lanes that this node owns, including those of endpoints that memory does not know.
    async fn owned_lanes(&mut self) -> Result<BTreeSet<i64>, StoreError> {
        // This reads all lanes: like freeing those of a dead node, it happens once in a node's life.
        let keys: Vec<i64> = self
            .query("select endpoint_key from webhooks.lane where node = $1 and owned")
            .bind(self.node)
            .read_values(self.connection)
            .await?;
        Ok(keys.into_iter().collect())
    }
}

/// Rows and lanes that a transaction frees, as columns. All existing lanes are locked.
#[derive(Default)]
struct Freed {
    rows: Claims,
    /// Whether the lane of each exists.
    in_lane: Vec<bool>,
    lanes: Vec<i64>,
    /// When the next request to each may start.
    free_at: Vec<i64>,
    /// The favourite of each without this node.
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
            .execute(tx.connection)
            .await?;
        if freed > 0 {
            tx.concerned.join(Concerned::All);
        }
        Ok(())
    }

    /// Makes the rows due, held by nobody: in their lane, or each by itself if there is none. Creating a lane might
    /// mean waiting while holding others.
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
        .execute(tx.connection)
        .await?;
        // A lane may belong to another node by now, which has loaded everything that was in it.
        let in_lane = self.rows.keys.iter().zip(&self.in_lane);
        let keys: BTreeSet<i64> = in_lane
            .filter(|(_, has)| **has)
            .map(|(key, _)| *key)
            .collect();
        let node = tx.node;
        tx.reader().date_lanes_of_others(node, keys, now).await
    }
}
