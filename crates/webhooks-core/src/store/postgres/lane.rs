//! Lanes, and moving deliveries between them and memory: refills, expiry.
//!
//! A lane is locked by who changes it, so that it cannot gain a row between the moment it is found
//! empty and the moment its endpoint leaves it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sqlx::Row;

use super::{
    floor::{Look, Place},
    row::FoundRow,
    tx::Tx,
    witness::{Claims, Witness},
};
use crate::{
    activity::ActivityKind,
    clock::millis,
    delivery::EndReason,
    model::{
        delivery::{ClaimedDelivery, StoredEvent},
        outcome::Backoff,
    },
    outbox::{Outbox, refill::RefillPlan},
    store::{error::StoreError, lease::since_start},
};

/// Deliveries of one lane that one transaction can expire.
const EXPIRE_ROWS: i64 = 1_000;

/// Why a lane is loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Its time has come.
    Due,
    /// Its time has come, it is this node's, and another has it locked.
    Busy,
    /// Memory asked for more.
    Asked,
}

/// Rows on their way to memory.
#[derive(Default)]
pub(super) struct Loading {
    held: Vec<(Arc<Outbox>, ClaimedDelivery, u64)>,
    /// Whether the row is one of a lane.
    in_lane: Vec<bool>,
}

impl Loading {
    /// Adds a row that was counted in. `retreats`: those when it was placed or loaded.
    pub(super) fn add(
        &mut self,
        tx: &mut Tx<'_>,
        outbox: &Arc<Outbox>,
        (row, event): (&FoundRow, StoredEvent),
        (in_lane, retreats): (bool, u64),
    ) {
        let row = ClaimedDelivery {
            event: Arc::new(event),
            claim: tx.commit.claim(),
            attempts: row.attempts,
            number: row.number,
        };
        self.held.push((Arc::clone(outbox), row, retreats));
        self.in_lane.push(in_lane);
    }

    /// Marks the rows as held by memory, and hands them over after the commit.
    pub(super) async fn write(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let seqs: Vec<i64> = self.held.iter().map(|(_, row, _)| row.event.seq).collect();
        let keys: Vec<i64> = self.held.iter().map(|(of, _, _)| of.key()).collect();
        let claims: Vec<i64> = self.held.iter().map(|(_, row, _)| row.claim).collect();
        let marked = tx
            .query(
                "update webhooks.delivery d set claim = t.claim, lane = t.lane
                 from unnest($1::int8[], $2::int8[], $3::int8[], $4::bool[]) as t(seq, key, claim, lane)
                 cross join lateral (
                     select x.ctid from webhooks.delivery x
                     where x.event_seq = t.seq and x.endpoint_key = t.key limit 1) found
                 where d.ctid = found.ctid",
            )
            .bind(&seqs)
            .bind(&keys)
            .bind(&claims)
            .bind(&self.in_lane)
            .execute(&mut *tx.connection)
            .await;
        for (outbox, row, retreats) in self.held {
            tx.commit.hand_over(&outbox, row, retreats, marked.is_ok());
        }
        marked?;
        tx.leaves(Witness::Claimed(Claims { seqs, keys, claims }));
        Ok(())
    }
}

impl Tx<'_> {
    /// Has a lane looked at again that waits for something in memory, or was set aside because its
    /// endpoint could not be read.
    pub(super) async fn try_again(&mut self, key: i64) -> Result<(), StoreError> {
        let now = self.now();
        self.query(
            "update webhooks.lane
             set due_at = greatest(backoff_until, $2), node = case when owned then node end
             where endpoint_key = $1 and due_at is null",
        )
        .bind(key)
        .bind(now)
        .execute(&mut *self.connection)
        .await?;
        self.commit.due_by(now);
        Ok(())
    }

    /// Dates lanes after failures: not before their backoff, nor before anything in them is due.
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
        // An empty lane is dated too: when it is tried it finds that, and its endpoint leaves it.
        let rows = self
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
            .fetch_all(&mut *self.connection)
            .await?;
        for row in rows {
            let due_at: Option<i64> = row.try_get(0)?;
            if let Some(at) = due_at {
                self.commit.due_by(at);
            }
        }
        Ok(())
    }

    /// Takes unclaimed rows of an endpoint away and records why.
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
            .execute(&mut *self.connection)
            .await?;
        self.store_endings(seqs, &vec![key; seqs.len()], ending)
            .await
    }

    /// Loads the next rows of a lane into memory, or finds that the lane is at its end.
    pub(super) async fn refill(
        &mut self,
        outbox: &Arc<Outbox>,
        occasion: Occasion,
    ) -> Result<(), StoreError> {
        let refilled = match occasion {
            Occasion::Busy => self.load_from_busy(outbox).await,
            Occasion::Due | Occasion::Asked => self.load_rows(outbox, occasion).await,
        };
        // Whatever came of it, another may be asked for.
        outbox.refill_ended();
        refilled
    }

    async fn load_rows(
        &mut self,
        outbox: &Arc<Outbox>,
        occasion: Occasion,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let key = outbox.key();
        if !self.take_lane(outbox).await? {
            return Ok(());
        }
        let Some(plan) = outbox.plan_refill() else {
            // A person resumes it, or what is on its way back to the lane dates it.
            return self.set_due(key, None).await;
        };
        if plan.trouble && occasion == Occasion::Asked {
            // It failed since it was asked for: the outcome says when the lane is tried.
            return Ok(());
        }
        self.commit.touched.push(Arc::clone(outbox));
        if plan.trouble && self.expire(outbox, now).await? {
            // There may be more to expire before anything is worth a request.
            self.set_due(key, Some(now)).await?;
            self.commit.due_by(now);
            return Ok(());
        }
        let (rows, whole_after) = self.rows_of_lane(outbox, &plan, now).await?;
        let found = rows.len();
        let claimed = self.load(outbox, rows, plan.retreats).await?;
        if plan.trouble && found == 0 {
            return self.wait_or_leave(outbox).await;
        }
        if !plan.trouble && found < plan.rows {
            // Everything that is owed is in memory now, but for what a look at all of it finds.
            return self.leave(outbox, whole_after).await;
        }
        if claimed == 0 {
            // Only rows whose events are gone: look again for others.
            self.commit.due_by(now);
            return self.set_due(key, Some(now)).await;
        }
        self.set_due(key, None).await
    }

    /// Loads what a lane of this node's has by now, whoever is adding to it. It stays due: when all of it
    /// was loaded is for somebody to say who has it locked.
    async fn load_from_busy(&mut self, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
        let Some(plan) = outbox.plan_refill().filter(|plan| !plan.trouble) else {
            return Ok(());
        };
        self.commit.touched.push(Arc::clone(outbox));
        let (rows, _) = self.rows_of_lane(outbox, &plan, i64::MAX).await?;
        let found = rows.len();
        self.load(outbox, rows, plan.retreats).await?;
        if found < plan.rows {
            outbox.leave_lane();
        }
        Ok(())
    }

    /// Has rows of a lane go to memory. Returns how many.
    async fn load(
        &mut self,
        outbox: &Arc<Outbox>,
        rows: Vec<FoundRow>,
        retreats: u64,
    ) -> Result<usize, StoreError> {
        let mut claimed = 0;
        let mut loading = Loading::default();
        let mut gone = Vec::new();
        for mut row in rows {
            let Some(event) = row.event.take() else {
                gone.push(row.seq);
                continue;
            };
            outbox.expect(event.body.len());
            loading.add(self, outbox, (&row, event), (true, retreats));
            claimed += 1;
        }
        loading.write(self).await?;
        self.end(outbox.key(), &gone, EndReason::Expired).await?;
        Ok(claimed)
    }

    /// Locks a lane: until the end of this transaction nothing joins it. False when another node owns
    /// it.
    async fn take_lane(&mut self, outbox: &Arc<Outbox>) -> Result<bool, StoreError> {
        let row = self
            .query("select node, owned, backoff_until, failures from webhooks.lane where endpoint_key = $1 for update")
            .bind(outbox.key())
            .fetch_optional(&mut *self.connection)
            .await?;
        let Some(row) = row else {
            return Ok(true);
        };
        let (node, owned): (Option<i64>, bool) = (row.try_get(0)?, row.try_get(1)?);
        if node == Some(self.node) {
            return Ok(true);
        }
        if owned && node.is_some() {
            return Ok(false);
        }
        self.lane_floors.forget(outbox.key());
        let failures: i32 = row.try_get(3)?;
        // Whoever had it last said how the endpoint is.
        outbox.take_over_lane(Backoff {
            until: row.try_get(2)?,
            failures: failures.unsigned_abs(),
        });
        Ok(true)
    }

    /// An endpoint's lane is owned from now on, or is not. Who adds the endpoint owns it first.
    pub(super) async fn own_lane(&mut self, key: i64, owned: bool) -> Result<(), StoreError> {
        if owned {
            self.query(
                "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures, owned, node)
                 values ($1, null, 0, 0, true, $2)
                 on conflict (endpoint_key) do update set owned = true, node = coalesce(lane.node, excluded.node)",
            )
            .bind(key)
            .bind(self.node)
            .execute(&mut *self.connection)
            .await?;
            self.lanes.insert(key);
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
            .execute(&mut *self.connection)
            .await?;
        if freed.rows_affected() > 0 {
            self.commit.due_by(now);
        }
        Ok(())
    }

    /// The next rows of a lane. Where it was looked from a floor on and there were not as many: also
    /// after how long it is worth a look at all of it.
    async fn rows_of_lane(
        &mut self,
        outbox: &Arc<Outbox>,
        plan: &RefillPlan,
        now: i64,
    ) -> Result<(Vec<FoundRow>, Option<Duration>), StoreError> {
        let key = outbox.key();
        if plan.trouble {
            // What failed comes back anywhere, and there are few loads.
            return Ok((self.rows_from(key, (None, now), plan.rows).await?, None));
        }
        let from = self.lane_floors.from(key, since_start());
        let rows = self.look_at_lane(key, from, plan.rows).await?;
        if from.is_none() || rows.len() == plan.rows {
            return Ok((rows, None));
        }
        if !outbox.endpoint().keeps_lane {
            // It is about to be taken away, with whatever would be in it still.
            return Ok((self.look_at_lane(key, None, plan.rows).await?, None));
        }
        let whole_after = self.lane_floors.whole_after(key, since_start());
        Ok((rows, Some(whole_after)))
    }

    async fn look_at_lane(
        &mut self,
        key: i64,
        from: Option<Place>,
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let began = since_start();
        let rows = self.rows_from(key, (from, i64::MAX), limit).await?;
        let look = Look {
            began,
            took: since_start().saturating_sub(began),
        };
        let last = rows.last().map(|row| (row.due_at, row.seq));
        self.lane_floors.loaded(key, from, look, last);
        Ok(rows)
    }

    async fn rows_from(
        &mut self,
        key: i64,
        (from, until): (Option<Place>, i64),
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let (due_from, seq_from) = from.unwrap_or((i64::MIN, i64::MIN));
        // Uses the index delivery_lane, whose order is the causal order for ordered endpoints. The event of
        // each is looked up by itself: a join may be planned as a walk through all events.
        let rows = self
            .query(
                "select d.event_seq, d.endpoint_key, d.attempts, d.number, e.id, e.body, e.traceparent, d.due_at
                 from webhooks.delivery d
                 left join lateral (
                     select x.id, x.body, x.traceparent from webhooks.event x
                     where x.seq = d.event_seq and x.day = d.event_day limit 1) e on true
                 where d.endpoint_key = $1 and d.claim is null and d.lane and d.due_at <= $2
                       and (d.due_at, d.event_seq) > ($4, $5)
                 order by d.due_at, d.event_seq limit $3 for update of d",
            )
            .bind(key)
            .bind(until)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(due_from)
            .bind(seq_from)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(rows.iter().map(FoundRow::read).collect::<Result<_, _>>()?)
    }

    /// A lane in trouble with nothing due: wait for its next row, or leave when there is none.
    async fn wait_or_leave(&mut self, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
        let key = outbox.key();
        let row = self
            .query(
                "select min(due_at) from webhooks.delivery where endpoint_key = $1 and claim is null and lane",
            )
            .bind(key)
            .fetch_one(&mut *self.connection)
            .await?;
        let first: Option<i64> = row.try_get(0)?;
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

    /// `again_after`: when a lane that is kept is to be loaded from once more, whatever comes.
    async fn leave(
        &mut self,
        outbox: &Arc<Outbox>,
        again_after: Option<Duration>,
    ) -> Result<(), StoreError> {
        let Some(recovered) = outbox.leave_lane() else {
            // What failed since dates the lane when its outcome is stored.
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
            .execute(&mut *self.connection)
            .await?;
        } else {
            self.query("delete from webhooks.lane where endpoint_key = $1")
                .bind(outbox.key())
                .execute(&mut *self.connection)
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

    /// Dates a lane; without a date this node has it in hand. An owned one stays its owner's.
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
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Ends the deliveries of a lane that have waited longer than their schedule lasts, each of which
    /// was tried, and since the engine is back if it was down for long. True when there may be more of
    /// them.
    async fn expire(&mut self, outbox: &Arc<Outbox>, now: i64) -> Result<bool, StoreError> {
        let key = outbox.key();
        let uptime = &self.host.uptime;
        let oldest = uptime.began(now, outbox.endpoint().expires_after_ms());
        // What a pause held back has waited, but not for an endpoint that failed all that time.
        if outbox.failing_since().is_none_or(|since| since > oldest) {
            return Ok(false);
        }
        // Rows of a lane are roughly in the order of their age; the first few tell whether to look.
        // One that was not tried is the next to be: nothing behind it is given up before.
        let back_since = uptime.back_since().unwrap_or(i64::MIN);
        let rows = self
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
            .fetch_all(&mut *self.connection)
            .await?;
        let mut expired = Vec::new();
        for row in rows {
            let is_over: bool = row.try_get(1)?;
            if !is_over {
                break;
            }
            expired.push(row.try_get(0)?);
        }
        self.end(key, &expired, EndReason::Expired).await?;
        if !expired.is_empty() {
            let endpoint = outbox.endpoint();
            tracing::info!(
                customer = &*endpoint.customer,
                endpoint.id = %endpoint.id,
                url = endpoint.shown_url,
                expired = expired.len(),
                "deliveries waited longer than their retry schedule lasts and were given up"
            );
        }
        Ok(i64::try_from(expired.len()).is_ok_and(|expired| expired == EXPIRE_ROWS))
    }
}
