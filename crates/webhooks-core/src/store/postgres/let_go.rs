//! An engine ends while others go on: what waits in its memory is free for them as soon as it begins no
//! further request, not when the last one here has ended. An owned lane follows when nothing of it is in
//! flight, dated by when its next request may start.
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
use crate::{outbox::Outbox, store::error::StoreError};

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
    pub(super) async fn let_go(&mut self) -> Result<Gone, StoreError> {
        let now = self.now();
        let outboxes = self.endpoints.cache.outboxes();
        let outboxes: BTreeMap<i64, Arc<Outbox>> = outboxes
            .into_iter()
            .map(|outbox| (outbox.key(), outbox))
            .collect();
        let keys: BTreeSet<i64> = outboxes.keys().copied().collect();
        let busy = self.busy_lanes(&keys).await?;
        let mut gone = Gone {
            leaves_lanes: !busy.is_empty(),
            rows: Vec::new(),
        };
        let mut claims = Claims::default();
        let (mut lanes, mut free_at) = (Vec::new(), Vec::new());
        for (key, outbox) in outboxes {
            if busy.contains(&key) {
                continue;
            }
            let let_go = outbox.let_go(now);
            for row in &let_go.rows {
                claims.seqs.push(row.event.seq);
                claims.keys.push(key);
                claims.claims.push(row.claim);
            }
            let is_owned = outbox.endpoint().keeps_lane;
            if let Some(at) = let_go.free_at.or((!is_owned).then_some(now)) {
                lanes.push(key);
                free_at.push(at);
            } else {
                gone.leaves_lanes = true;
            }
            self.commit.follows.released += let_go.rows.len();
            gone.rows.push((outbox, let_go.rows.len()));
        }
        self.free_rows(claims, now).await?;
        let freed = self
            .query(
                "update webhooks.lane l set node = null,
                     due_at = case when e.state = 'active' then greatest(l.due_at, l.backoff_until, t.at) else l.due_at end
                 from unnest($1::int8[], $2::int8[]) as t(key, at), webhooks.endpoint e
                 where l.endpoint_key = t.key and e.key = t.key and l.node = $3",
            )
            .bind(&lanes)
            .bind(&free_at)
            .bind(self.node)
            .execute(&mut *self.connection)
            .await?;
        if freed.rows_affected() > 0 {
            self.concerned.join(Concerned::All);
        }
        Ok(gone)
    }

    /// Nobody holds these any more, and they are due.
    async fn free_rows(&mut self, claims: Claims, now: i64) -> Result<(), StoreError> {
        if claims.seqs.is_empty() {
            return Ok(());
        }
        let rows = self
            .query(
                "update webhooks.delivery d
                 set claim = null, due_at = case when d.lane then least(d.due_at, $4) else $4 end
                 from unnest($1::int8[], $2::int8[], $3::int8[]) as t(seq, key, claim)
                 cross join lateral (
                     select x.ctid from webhooks.delivery x
                     where x.event_seq = t.seq and x.endpoint_key = t.key limit 1) found
                 where d.ctid = found.ctid and d.claim = t.claim
                 returning d.endpoint_key, d.lane",
            )
            .bind(&claims.seqs)
            .bind(&claims.keys)
            .bind(&claims.claims)
            .bind(now)
            .fetch_all(&mut *self.connection)
            .await?;
        let mut of_lanes = BTreeSet::new();
        for row in &rows {
            let (key, in_lane): (i64, bool) = (row.try_get(0)?, row.try_get(1)?);
            if in_lane {
                of_lanes.insert(key);
            }
        }
        // A lane may have been left whose last rows were in memory.
        let of_lanes: Vec<i64> = of_lanes.into_iter().collect();
        self.query(
            "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures)
             select key, $2, 0, 0 from unnest($1::int8[]) as t(key) order by key
             on conflict (endpoint_key) do nothing",
        )
        .bind(&of_lanes)
        .bind(now)
        .execute(&mut *self.connection)
        .await?;
        self.leaves(Witness::Released(claims));
        self.concerned.join(Concerned::All);
        Ok(())
    }
}
