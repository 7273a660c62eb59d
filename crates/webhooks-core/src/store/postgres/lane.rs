//! Lanes: who owns them, when they are due, leaving them, and what expires in them. `refill.rs` loads
//! from them.
//!
//! A transaction that changes a lane locks it, so that it cannot gain a row between the moment it is found
//! empty and the moment its endpoint leaves it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{give_back::open_to_all, tx::Tx};
use crate::{
    activity::ActivityKind,
    clock::millis,
    delivery::EndReason,
    model::outcome::Backoff,
    outbox::Outbox,
    store::{
        due::{EXPIRE_ROWS, tell_expired},
        error::StoreError,
    },
};

impl Tx<'_> {
    /// Makes a lane due again that waits for something in memory, or was set aside because its endpoint
    /// could not be read.
    pub(super) async fn try_again(&mut self, key: i64) -> Result<(), StoreError> {
        let now = self.now();
        self.query(
            "update webhooks.lane
             set due_at = greatest(backoff_until, $2), node = case when owned then node end
             where endpoint_key = $1 and due_at is null",
        )
        .bind(key)
        .bind(now)
        .execute(self.connection)
        .await?;
        self.commit.due_by(now);
        Ok(())
    }

    /// Sets the due times of lanes after failures: not before their backoff ends, nor before anything in them is
    /// due.
    pub(super) async fn back_off(
        &mut self,
        lanes: &BTreeMap<i64, (&Arc<Outbox>, Backoff)>,
    ) -> Result<(), StoreError> {
        if lanes.is_empty() {
            return Ok(());
        }
        let keys: Vec<i64> = lanes.keys().copied().collect();
        let active: Vec<bool> = lanes.values().map(|(of, _)| of.is_active()).collect();
        let until: Vec<i64> = lanes.values().map(|(_, backoff)| backoff.until).collect();
        let failures: Vec<i32> = lanes
            .values()
            .map(|(_, backoff)| super::row::int(backoff.failures))
            .collect();
        // An empty lane gets a due time too: when it is tried it is found empty, and its endpoint leaves it.
        let due: Vec<Option<i64>> = self
            .query(
                "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures)
                 select key, case when active then greatest(until, (
                            select min(due_at) from webhooks.delivery
                            where endpoint_key = key and claim is null and lane)) end,
                        until, failures
                 from unnest($1::int8[], $2::bool[], $3::int8[], $4::int4[]) as t(key, active, until, failures)
                 on conflict (endpoint_key) do update
                 set due_at = excluded.due_at, backoff_until = excluded.backoff_until,
                     failures = excluded.failures, node = case when lane.owned then lane.node end
                 returning due_at",
            )
            .bind(&keys)
            .bind(&active)
            .bind(&until)
            .bind(&failures)
            .read_values(self.connection)
            .await?;
        for at in due.into_iter().flatten() {
            self.commit.due_by(at);
        }
        Ok(())
    }

    /// Removes unclaimed rows of an endpoint and records why.
    pub(super) async fn end(
        &mut self,
        key: i64,
        seqs: &[i64],
        ending: EndReason,
    ) -> Result<(), StoreError> {
        if seqs.is_empty() {
            return Ok(());
        }
        self.query("delete from webhooks.delivery where event_seq = any($2) and endpoint_key = $1")
            .bind(key)
            .bind(seqs)
            .execute(self.connection)
            .await?;
        self.store_endings(seqs, &vec![key; seqs.len()], ending)
            .await
    }

    /// Locks a lane: until the end of this transaction nothing joins it. False if another node owns it, or it
    /// is offered to one.
    pub(super) async fn take_lane(&mut self, outbox: &Arc<Outbox>) -> Result<bool, StoreError> {
        let row: Option<(Option<i64>, _, _, i32, Option<bool>)> = self
            .query(
                "select node, owned, backoff_until, failures,
                        node is null and offered_to <> $2 and due_at > $3
                 from webhooks.lane where endpoint_key = $1 for update",
            )
            .bind(outbox.key())
            .bind(self.node)
            .bind(open_to_all(self.now()))
            .find_row(self.connection)
            .await?;
        let Some((node, owned, until, failures, is_offered)) = row else {
            return Ok(true);
        };
        if node == Some(self.node) {
            return Ok(true);
        }
        if owned && (node.is_some() || is_offered == Some(true)) {
            return Ok(false);
        }
        self.lane_floors.forget(outbox.key());
        // The row says in what state its last holder left the endpoint.
        outbox.take_over_lane(Backoff {
            until,
            failures: failures.unsigned_abs(),
        });
        Ok(true)
    }

    /// From now on an endpoint's lane is owned, or is not. The node that adds the endpoint owns it first.
    pub(super) async fn own_lane(&mut self, key: i64, owned: bool) -> Result<(), StoreError> {
        if owned {
            self.query(
                "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures, owned, node)
                 values ($1, null, 0, 0, true, $2)
                 on conflict (endpoint_key) do update set owned = true, node = coalesce(lane.node, excluded.node)",
            )
            .bind(key)
            .bind(self.node)
            .execute(self.connection)
            .await?;
            self.lanes.add(key);
            return Ok(());
        }
        let now = self.now();
        let freed = self
            .query(
                "update webhooks.lane set owned = false, node = null, due_at = coalesce(due_at, $2)
                 where endpoint_key = $1 and owned",
            )
            .bind(key)
            .bind(now)
            .execute(self.connection)
            .await?;
        if freed > 0 {
            self.commit.due_by(now);
        }
        Ok(())
    }

    /// For a lane in trouble with nothing due: wait for its next row, or leave it if there is none.
    pub(super) async fn wait_or_leave(&mut self, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
        let key = outbox.key();
        let first: Option<i64> = self
            .query(
                "select min(due_at) from webhooks.delivery where endpoint_key = $1 and claim is null and lane",
            )
            .bind(key)
            .read_value(self.connection)
            .await?;
        match first {
            Some(first) => {
                let due_at = first.max(outbox.backoff_until());
                self.set_due(key, Some(due_at)).await?;
                self.commit.due_by(due_at);
                Ok(())
            }
            None => self.leave(outbox, None).await,
        }
    }

    /// `again_after`: when to load once more from a kept lane, whatever happens.
    pub(super) async fn leave(
        &mut self,
        outbox: &Arc<Outbox>,
        again_after: Option<Duration>,
    ) -> Result<(), StoreError> {
        let Some(recovered) = outbox.leave_lane() else {
            // What failed since then sets the lane's due time when its outcome is stored.
            return self.set_due(outbox.key(), None).await;
        };
        if outbox.endpoint().keeps_lane {
            let again_at = again_after.map(|after| self.now() + millis(after));
            self.query(
                "update webhooks.lane set due_at = $3, backoff_until = 0, failures = 0, node = $2 where endpoint_key = $1",
            )
            .bind(outbox.key())
            .bind(self.node)
            .bind(again_at)
            .execute(self.connection)
            .await?;
        } else {
            self.query("delete from webhooks.lane where endpoint_key = $1")
                .bind(outbox.key())
                .execute(self.connection)
                .await?;
        }
        if recovered && self.host.audience.is_there() {
            let activity = outbox
                .endpoint()
                .activity(None, ActivityKind::EndpointRecovered);
            self.commit.follows.activities.push(activity);
        }
        Ok(())
    }

    /// Sets a lane's due time; without one, this node holds the lane. An owned lane stays with its owner.
    pub(super) async fn set_due(
        &mut self,
        key: i64,
        due_at: Option<i64>,
    ) -> Result<(), StoreError> {
        self.query(
            "update webhooks.lane
             set due_at = $2, node = case when $2::int8 is null or owned then $3 end
             where endpoint_key = $1",
        )
        .bind(key)
        .bind(due_at)
        .bind(self.node)
        .execute(self.connection)
        .await?;
        Ok(())
    }

    /// Ends the deliveries of a lane that have waited longer than their schedule lasts and were tried at least
    /// once; if the engine was down for long, tried since it is back. True if there may be more of them.
    pub(super) async fn expire(
        &mut self,
        outbox: &Arc<Outbox>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let key = outbox.key();
        let uptime = &self.host.uptime;
        let oldest = uptime.began(now, outbox.endpoint().expires_after_ms());
        // What a pause held back has waited, but not because the endpoint failed all that time.
        if outbox.failing_since().is_none_or(|since| since > oldest) {
            return Ok(false);
        }
        // Rows of a lane are roughly in the order of their age, so the first few show whether to look further.
        // A row that was not tried is the next to be: nothing behind it is given up before.
        let back_since = uptime.back_since().unwrap_or(i64::MIN);
        let rows: Vec<(i64, bool)> = self
            .query(
                "select event_seq, owed_at < $2 and attempts > 0 and ($3 < owed_at or exists (
                     select 1 from webhooks.attempt a
                     where a.event_seq = d.event_seq and a.endpoint_key = $1 and a.day >= d.event_day and a.at >= $3))
                 from webhooks.delivery d
                 where endpoint_key = $1 and claim is null and lane
                 order by due_at, event_seq limit $4",
            )
            .bind(key)
            .bind(oldest)
            .bind(back_since)
            .bind(EXPIRE_ROWS)
            .read_rows(self.connection)
            .await?;
        let expired = rows.into_iter().take_while(|(_, is_over)| *is_over);
        let expired: Vec<i64> = expired.map(|(seq, _)| seq).collect();
        self.end(key, &expired, EndReason::Expired).await?;
        Ok(tell_expired(outbox, expired.len()))
    }
}
