//! Resending, canceling and skipping: what people do to single deliveries.

use std::sync::Arc;

use super::{
    new_deliveries::{NewDeliveries, NewDelivery},
    new_events::NewEvents,
    read::{FoundEvent, Reading, find_event},
    tx::Tx,
};
use crate::{
    delivery::EndReason,
    endpoint::EndpointState,
    model::{
        delivery::{DeliveryOf, StoredEvent},
        endpoint::EndpointRecord,
        replay::{LOOK_ROWS, Look, LookedAt, Replay},
    },
    outbox::{HeadInMemory, Outbox},
    store::{
        claim::holder_of, delivery_error::DeliveryError, error::StoreError, taken_away::TakenAway,
    },
};

/// What another node has of the head of an ordered endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadElsewhere {
    /// It is in the lane.
    Nothing,
    /// Nothing failed: there is nothing that other deliveries wait for.
    Passing,
    /// It failed, and is being tried again at this moment, or the delivery behind it is.
    InFlight,
}

impl Tx<'_> {
    async fn find_event(&mut self, of: &DeliveryOf) -> Result<FoundEvent, DeliveryError> {
        let found = find_event(&mut self.reader(), &of.endpoint.customer, &of.event_id).await?;
        found.ok_or_else(|| of.unknown_event())
    }

    /// Sends one event to one endpoint again, now. If it is still pending, it is only made due.
    pub(super) async fn resend(&mut self, of: &DeliveryOf) -> Result<(), DeliveryError> {
        let key = self.find(&of.endpoint).await?;
        let event = self.find_event(of).await?;
        let seq = event.row.seq;
        let outbox = self
            .by_key(key)
            .await?
            .ok_or_else(|| of.endpoint.unknown())?;
        if matches!(outbox.endpoint().state, EndpointState::Disabled { .. }) {
            return Err(DeliveryError::Disabled(of.endpoint.id.clone()));
        }
        let now = self.now();
        let is_pending = self
            .query("select 1 from webhooks.delivery where event_seq = $1 and endpoint_key = $2 for update")
            .bind(seq)
            .bind(key)
            .has_row(self.connection)
            .await?;
        if is_pending {
            self.query(
                "update webhooks.delivery set due_at = least(due_at, $3), owed_at = $3
                 where event_seq = $1 and endpoint_key = $2 and claim is null",
            )
            .bind(seq)
            .bind(key)
            .bind(now)
            .execute(self.connection)
            .await?;
            self.try_lane_now(key, now).await?;
        } else {
            let (day, event) = event.into_stored();
            self.add_again(&outbox, vec![(event, day)]).await?;
        }
        self.commit.due_by(now);
        Ok(())
    }

    /// Makes an endpoint's lane due now, regardless of its backoff.
    async fn try_lane_now(&mut self, key: i64, now: i64) -> Result<(), StoreError> {
        self.query(
            "update webhooks.lane set due_at = $2, backoff_until = 0 where endpoint_key = $1 and due_at is not null",
        )
        .bind(key)
        .bind(now)
        .execute(self.connection)
        .await?;
        self.commit.due_by(now);
        Ok(())
    }

    async fn add_again(
        &mut self,
        outbox: &Arc<Outbox>,
        events: Vec<(StoredEvent, i32)>,
    ) -> Result<(), StoreError> {
        let key = outbox.key();
        let seqs: Vec<i64> = events.iter().map(|(event, _)| event.seq).collect();
        let rows: Vec<(i64, Option<i32>)> = self
            .query(
                "select t.seq, (select max(number) from webhooks.attempt a where a.event_seq = t.seq and a.endpoint_key = $2)
                 from unnest($1::int8[]) with ordinality as t(seq, place) order by t.place",
            )
            .bind(&seqs)
            .bind(key)
            .read_rows(self.connection)
            .await?;
        // Not by the index on endpoints, which contains all endings of this endpoint.
        self.query(
            "delete from webhooks.ending where event_seq = any($1) and endpoint_key + 0 = $2",
        )
        .bind(&seqs)
        .bind(key)
        .execute(self.connection)
        .await?;
        self.lane_floors.forget(key);
        let mut deliveries = NewDeliveries::default();
        for ((event, day), (_, number)) in events.into_iter().zip(rows) {
            let event = Arc::new(event);
            let delivery = NewDelivery {
                event: &event,
                day,
                number: number.unwrap_or_default().unsigned_abs(),
            };
            deliveries.add(self, outbox, &delivery);
        }
        deliveries.write(self, &NewEvents::default()).await
    }

    /// Removes a delivery: no further attempt is started.
    pub(super) async fn take_away(
        &mut self,
        of: &DeliveryOf,
        ending: EndReason,
    ) -> Result<TakenAway, DeliveryError> {
        let key = self.find(&of.endpoint).await?;
        let seq = self.find_event(of).await?.row.seq;
        let taken: Option<Option<i64>> = self
            .query("delete from webhooks.delivery where event_seq = $1 and endpoint_key = $2 returning claim")
            .bind(seq)
            .bind(key)
            .find_value(self.connection)
            .await?;
        let Some(claim) = taken else {
            return Err(of.not_pending());
        };
        let now = self.now();
        self.store_endings(&[seq], &[key], ending).await?;
        let outbox = self.by_key(key).await?;
        let ordered = outbox
            .as_ref()
            .is_some_and(|outbox| outbox.endpoint().ordered);
        if ordered && !self.stands_behind(seq, key).await? {
            // The deliveries behind it may continue.
            self.try_lane_now(key, now).await?;
        }
        if claim.is_some() {
            // Its outcome would have said when the lane is next tried.
            self.try_again(key).await?;
        }
        if claim.is_some_and(|claim| holder_of(claim) != self.node) {
            // The node that has it in memory hears of it as it does of a change of the endpoint.
            self.note_change(key);
        }
        Ok(TakenAway { outbox, claim })
    }

    /// Whether something is ahead of this event in the lane of an ordered endpoint.
    async fn stands_behind(&mut self, seq: i64, key: i64) -> Result<bool, StoreError> {
        self.query(
            "select 1 from webhooks.delivery
             where endpoint_key = $1 and claim is null and lane and due_at = 0 and event_seq < $2
             limit 1",
        )
        .bind(key)
        .bind(seq)
        .has_row(self.connection)
        .await
    }

    /// The head of an ordered endpoint: the delivery that those behind it wait for.
    pub(super) async fn head(&mut self, key: i64) -> Result<Option<String>, StoreError> {
        let outbox = self.by_key(key).await?;
        if let Some(outbox) = outbox.filter(|outbox| outbox.endpoint().ordered) {
            match outbox.head() {
                HeadInMemory::Tried(event_id) => return Ok(Some(event_id)),
                HeadInMemory::Passing => return Ok(None),
                HeadInMemory::Nothing => {}
            }
            match self.head_elsewhere(&outbox).await? {
                HeadElsewhere::Nothing => {}
                HeadElsewhere::Passing => return Ok(None),
                HeadElsewhere::InFlight => return self.last_failed(key).await,
            }
        }
        self.query(
            "select e.id from webhooks.delivery d
             cross join lateral (
                 select x.id from webhooks.event x
                 where x.seq = d.event_seq and x.day = d.event_day limit 1) e
             where d.endpoint_key = $1 and d.lane and d.claim is null
             order by d.due_at, d.event_seq limit 1",
        )
        .bind(key)
        .find_value(self.connection)
        .await
    }

    /// What another node has of the head of an ordered endpoint: what that node holds is not visible in the lane.
    async fn head_elsewhere(&mut self, outbox: &Outbox) -> Result<HeadElsewhere, StoreError> {
        if !outbox.is_active() {
            return Ok(HeadElsewhere::Nothing);
        }
        let lane: Option<(i32, bool)> = self
            .query(
                "select failures, due_at is null from webhooks.lane
                 where endpoint_key = $1 and owned and node <> $2",
            )
            .bind(outbox.key())
            .bind(self.node)
            .find_row(self.connection)
            .await?;
        // Its failures, and whether its owner has it in hand.
        Ok(match lane {
            Some((0, _)) => HeadElsewhere::Passing,
            Some((_, true)) => HeadElsewhere::InFlight,
            Some((_, false)) | None => HeadElsewhere::Nothing,
        })
    }

    /// The event of the last failed attempt, if it is still pending.
    async fn last_failed(&mut self, key: i64) -> Result<Option<String>, StoreError> {
        // Uses the index attempt_failed.
        self.query(
            "select e.id from (
                 select a.event_seq from webhooks.attempt a
                 where a.endpoint_key = $1 and a.failure is not null order by a.at desc limit 1) last
             cross join lateral (
                 select x.event_seq, x.event_day from webhooks.delivery x
                 where x.event_seq = last.event_seq and x.endpoint_key = $1 limit 1) d
             cross join lateral (
                 select x.id from webhooks.event x
                 where x.seq = d.event_seq and x.day = d.event_day limit 1) e",
        )
        .bind(key)
        .find_value(self.connection)
        .await
    }

    /// Adds the deliveries that one step of a replay found. Returns how many are pending now.
    pub(super) async fn replay(&mut self, key: i64, seqs: &[i64]) -> Result<usize, StoreError> {
        let Some(outbox) = self.by_key(key).await? else {
            return Ok(0);
        };
        let rows: Vec<(_, _, Vec<u8>, _, _)> = self
            .query(
                "select e.seq, e.id, e.body, e.traceparent, e.day
                 from webhooks.event e
                 where e.seq = any($1) and not exists (
                     select 1 from webhooks.delivery d where d.event_seq = e.seq and d.endpoint_key = $2)
                 order by e.seq",
            )
            .bind(seqs)
            .bind(key)
            .read_rows(self.connection)
            .await?;
        let added = rows.len();
        let events = rows.into_iter().map(|(seq, id, body, traceparent, day)| {
            let event = StoredEvent {
                seq,
                id,
                body: body.into(),
                traceparent,
            };
            (event, day)
        });
        self.add_again(&outbox, events.collect()).await?;
        Ok(added)
    }
}

/// One step of a replay's scan of the events, starting at `from`.
pub(super) async fn look(
    reading: &mut Reading<'_>,
    endpoint: &EndpointRecord,
    replay: &Replay,
    from: Option<i64>,
) -> Result<Look, StoreError> {
    let timeline = reading.timeline;
    let since = replay.since.map_or(i64::MIN, |at| timeline.at_wall(at));
    let until = replay.until.map_or(i64::MAX, |at| timeline.at_wall(at));
    let rows: Vec<(i64, String, bool, bool, bool)> = reading
        .query(
            "select e.seq, e.type,
                    exists (select 1 from webhooks.delivery d where d.event_seq = e.seq and d.endpoint_key = $2),
                    exists (select 1 from webhooks.ending x where x.event_seq = e.seq and x.endpoint_key + 0 = $2 and x.day >= e.day),
                    exists (select 1 from webhooks.attempt a
                            where a.event_seq = e.seq and a.endpoint_key = $2 and a.day >= e.day and a.failure is null)
             from webhooks.event e
             where (e.customer, e.seq) >= ($1, $3) and e.customer <= $1
                   and e.created_at >= $4 and e.created_at < $5
             order by e.customer, e.seq limit $6",
        )
        .bind(&*endpoint.customer)
        .bind(endpoint.key)
        .bind(from.unwrap_or_default())
        .bind(since)
        .bind(until)
        .bind(i64::try_from(LOOK_ROWS).unwrap_or(i64::MAX))
        .read_rows(reading.reader.connection)
        .await?;
    let is_full = rows.len() == LOOK_ROWS;
    let mut look = Look::default();
    for (seq, event_type, is_pending, ended, delivered) in rows {
        let event = LookedAt {
            event_type,
            is_pending,
            ended,
            delivered,
        };
        if event.matches(replay.outcome, &endpoint.event_types) {
            look.seqs.push(seq);
        }
        look.next = is_full.then_some(seq + 1);
    }
    Ok(look)
}
