//! Loading rows of lanes, and single deliveries, into memory.

use std::{sync::Arc, time::Duration};

use super::{
    floor::{Look, Place},
    give_back::Passing,
    held_lanes::UNFORESEEN_WAIT,
    row::FoundRow,
    tx::{Keep, Tx},
    witness::{Claims, Witness},
};
use crate::{
    delivery::EndReason,
    model::delivery::{ClaimedDelivery, StoredEvent},
    outbox::{Outbox, refill::RefillPlan},
    store::{committed::HandOver, error::StoreError, lease::since_start},
};

/// Why a lane is loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Its time has come.
    Due,
    /// Its time has come, and it is this node's, but another has it locked.
    Busy,
    /// Memory asked for more.
    Asked,
}

/// What became of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refilled {
    Done,
    /// Others hold the lane, which turned up late: the load is requested again, and then locks it first.
    NotNow,
}

/// Rows on their way to memory.
#[derive(Default)]
pub(super) struct Loading {
    held: Vec<HandOver>,
    /// Whether the row is one of a lane.
    in_lane: Vec<bool>,
}

impl Loading {
    /// Adds a row that was counted in. `retreats`: the outbox's count when the row was placed or loaded.
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
        self.held.push(HandOver {
            outbox: Arc::clone(outbox),
            row,
            retreats,
        });
        self.in_lane.push(in_lane);
    }

    /// Marks the rows as held by memory, and hands them over after the commit.
    pub(super) async fn write(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let seqs: Vec<i64> = self.held.iter().map(|held| held.row.event.seq).collect();
        let keys: Vec<i64> = self.held.iter().map(|held| held.outbox.key()).collect();
        let claims: Vec<i64> = self.held.iter().map(|held| held.row.claim).collect();
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
            .execute(tx.connection)
            .await;
        for handover in self.held {
            tx.commit.hand_over_if(handover, &marked);
        }
        marked?;
        tx.leaves(Witness::Claimed(Claims { seqs, keys, claims }));
        Ok(())
    }
}

impl Tx<'_> {
    /// Loads the next rows of a lane into memory, or finds that the lane is at its end.
    pub(super) async fn refill(
        &mut self,
        outbox: &Arc<Outbox>,
        occasion: Occasion,
    ) -> Result<(), StoreError> {
        let refilled = match occasion {
            Occasion::Busy => {
                let loaded = self.load_from_busy(outbox).await;
                loaded.map(|()| Refilled::Done)
            }
            Occasion::Due | Occasion::Asked => self.load_rows(outbox, occasion).await,
        };
        // Whatever the result, another load may be requested.
        outbox.refill_ended();
        if refilled? == Refilled::NotNow {
            self.commit.follow(outbox, outbox.wake());
        }
        Ok(())
    }

    async fn load_rows(
        &mut self,
        outbox: &Arc<Outbox>,
        occasion: Occasion,
    ) -> Result<Refilled, StoreError> {
        let take = async |tx: &mut Tx<'_>| Ok((tx.take_lane(outbox).await?, Keep::All));
        let is_ours = if self.lanes.holds(outbox.key()) {
            Some(self.take_lane(outbox).await?)
        } else {
            // It was not known when this transaction began.
            self.unless_busy(UNFORESEEN_WAIT, take).await?
        };
        match is_ours {
            Some(true) => self.load_from_taken(outbox, occasion).await?,
            Some(false) => {}
            None => return Ok(Refilled::NotNow),
        }
        Ok(Refilled::Done)
    }

    async fn load_from_taken(
        &mut self,
        outbox: &Arc<Outbox>,
        occasion: Occasion,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let key = outbox.key();
        if outbox.gives_way() {
            return self.pass_on(outbox, now).await;
        }
        let Some(plan) = outbox.plan_refill() else {
            // A person resumes it, or what is on its way back to the lane sets its due time.
            return self.set_due(key, None).await;
        };
        if plan.trouble && occasion == Occasion::Asked {
            // It has failed since the load was requested: the outcome says when the lane is tried.
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
            // Everything that is pending is now in memory, except what a look at the whole lane may find.
            return self.leave(outbox, whole_after).await;
        }
        if claimed == 0 {
            // There were only rows whose events are gone: look again for others.
            self.commit.due_by(now);
            return self.set_due(key, Some(now)).await;
        }
        self.set_due(key, None).await
    }

    /// Nothing is loaded from a lane that is to pass to another node.
    async fn pass_on(&mut self, outbox: &Arc<Outbox>, now: i64) -> Result<(), StoreError> {
        let key = outbox.key();
        match self.give_lane(outbox).await? {
            Passing::Given => Ok(()),
            Passing::Waits => self.set_due(key, None).await,
            Passing::Stays => {
                // It may have lost its due time while it was to be given.
                let due_at = outbox.backoff_until().max(now);
                self.set_due(key, Some(due_at)).await?;
                self.commit.due_by(due_at);
                Ok(())
            }
        }
    }

    /// Loads what a lane of this node has by now, although others are adding to it. It stays due: only a
    /// transaction that has locked it can say that all of it was loaded.
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

    /// Loads rows of a lane into memory. Returns how many.
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

    /// The next rows of a lane. If the look began at a floor and found fewer than asked for, also returns after
    /// how long to look at the whole lane.
    async fn rows_of_lane(
        &mut self,
        outbox: &Arc<Outbox>,
        plan: &RefillPlan,
        now: i64,
    ) -> Result<(Vec<FoundRow>, Option<Duration>), StoreError> {
        let key = outbox.key();
        if plan.trouble {
            // What failed may come back at any place, and there are few loads.
            return Ok((self.rows_from(key, (None, now), plan.rows).await?, None));
        }
        let from = self.lane_floors.from(key, since_start());
        let rows = self.look_at_lane(key, from, plan.rows).await?;
        if from.is_none() || rows.len() == plan.rows {
            return Ok((rows, None));
        }
        if !outbox.endpoint().keeps_lane {
            // The lane is about to be removed, with anything that would still be in it.
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
        let (began, now) = (since_start(), self.now());
        let rows = self.rows_from(key, (from, i64::MAX), limit).await?;
        let look = Look {
            began,
            took: since_start().saturating_sub(began),
        };
        let last = rows.last().map(|row| (row.due_at, row.seq));
        self.lane_floors.loaded(key, from, look, (last, now));
        Ok(rows)
    }

    async fn rows_from(
        &mut self,
        key: i64,
        (from, until): (Option<Place>, i64),
        limit: usize,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let (due_from, seq_from) = from.unwrap_or((i64::MIN, i64::MIN));
        // Uses the index delivery_lane, whose order is the causal order for ordered endpoints. Each event is
        // looked up separately, because a join may be planned as a scan of all events.
        self.query(
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
        .read_rows(self.connection)
        .await
    }
}
