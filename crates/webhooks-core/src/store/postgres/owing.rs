//! What a transaction adds to what endpoints are owed: gathered first, written as whole arrays.

use std::{collections::BTreeMap, sync::Arc};

use sqlx::Row;

use super::{
    new_events::NewEvents,
    partition::day_of,
    row::int,
    slot::slot,
    tx::Tx,
    witness::{Claims, Witness},
};
use crate::{
    delivery::EndReason,
    model::{
        delivery::{ClaimedDelivery, StoredEvent},
        outcome::Backoff,
    },
    outbox::{Outbox, placing::Placement},
    store::{committed::HandOver, error::StoreError},
};

/// New deliveries, as columns.
#[derive(Default)]
struct Deliveries {
    seqs: Vec<i64>,
    keys: Vec<i64>,
    claims: Vec<Option<i64>>,
    due_at: Vec<i64>,
    numbers: Vec<i32>,
    days: Vec<i32>,
    slots: Vec<i16>,
    in_lane: Vec<bool>,
}

/// What is owed anew.
#[derive(Default)]
pub(super) struct Owing {
    deliveries: Deliveries,
    /// What goes to memory once it is written.
    held: Vec<HandOver>,
    /// Deliveries that are refused at once: their endpoints are disabled.
    refused_seqs: Vec<i64>,
    refused_keys: Vec<i64>,
    joining: Joining,
}

/// Lanes that get a row, and whether nothing in memory would come back to them.
#[derive(Default)]
pub(super) struct Joining {
    lanes: BTreeMap<i64, (Arc<Outbox>, bool)>,
}

/// The event that is owed.
pub(super) struct Owed<'a> {
    pub(super) event: &'a Arc<StoredEvent>,
    /// The partition that it is in.
    pub(super) day: i32,
    /// Of the last attempt ever made.
    pub(super) number: u32,
}

impl Owing {
    /// Adds one delivery to what an endpoint is owed.
    pub(super) fn add(&mut self, tx: &mut Tx<'_>, outbox: &Arc<Outbox>, owed: &Owed<'_>) {
        let (key, now) = (outbox.key(), tx.now());
        let event = owed.event;
        let (claim, in_lane) = match outbox.place(event.body.len()) {
            Placement::Refuse => {
                self.refused_seqs.push(event.seq);
                self.refused_keys.push(key);
                return;
            }
            Placement::Memory { lane, retreats } => {
                let claim = tx.commit.claim();
                self.held.push(HandOver {
                    outbox: Arc::clone(outbox),
                    row: ClaimedDelivery {
                        event: Arc::clone(event),
                        claim,
                        attempts: 0,
                        number: owed.number,
                    },
                    retreats,
                });
                (Some(claim), lane)
            }
            Placement::Lane { wake } => {
                self.joining.add(outbox, wake);
                (None, true)
            }
        };
        let endpoint = outbox.endpoint();
        let rows = &mut self.deliveries;
        rows.seqs.push(event.seq);
        rows.keys.push(key);
        rows.claims.push(claim);
        rows.due_at.push(if endpoint.ordered { 0 } else { now });
        rows.numbers.push(int(owed.number));
        rows.days.push(owed.day);
        rows.slots.push(slot(&endpoint.customer));
        rows.in_lane.push(in_lane);
    }

    /// Writes it, with the events that are new. What is held goes to memory after the commit, or is
    /// counted out again here.
    pub(super) async fn write(self, tx: &mut Tx<'_>, events: &NewEvents) -> Result<(), StoreError> {
        let written = self.write_rows(tx, events).await;
        for HandOver {
            outbox,
            row,
            retreats,
        } in self.held
        {
            tx.commit.hand_over(&outbox, row, retreats, written.is_ok());
        }
        written?;
        self.joining.write(tx).await
    }

    /// Those that go to memory.
    fn claims(&self) -> Claims {
        let rows = self.held.iter().map(|held| &held.row);
        Claims {
            seqs: rows.clone().map(|row| row.event.seq).collect(),
            keys: self.held.iter().map(|held| held.outbox.key()).collect(),
            claims: rows.map(|row| row.claim).collect(),
        }
    }

    /// In one statement: each is a round trip.
    async fn write_rows(&self, tx: &mut Tx<'_>, events: &NewEvents) -> Result<(), StoreError> {
        let now = tx.now();
        let rows = &self.deliveries;
        if !rows.seqs.is_empty() || !events.seqs.is_empty() {
            let bodies: Vec<&[u8]> = events.bodies.iter().map(|body| &body[..]).collect();
            tx.query(
                "with stored as (
                     insert into webhooks.event (seq, day, id, customer, type, body, created_at, traceparent)
                     select seq, $7, id, customer, type, body, $8, traceparent
                     from unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[])
                          as t(seq, id, customer, type, body, traceparent))
                 insert into webhooks.delivery
                 (event_seq, endpoint_key, claim, due_at, owed_at, number, event_day, attempts, slot, lane)
                 select seq, key, claim, due_at, $8, number, day, 0, slot, lane
                 from unnest($9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int4[], $14::int4[],
                             $15::int2[], $16::bool[])
                      as t(seq, key, claim, due_at, number, day, slot, lane)",
            )
            .bind(&events.seqs)
            .bind(&events.ids)
            .bind(&events.customers)
            .bind(&events.types)
            .bind(&bodies)
            .bind(&events.traceparents)
            .bind(day_of(now))
            .bind(now)
            .bind(&rows.seqs)
            .bind(&rows.keys)
            .bind(&rows.claims)
            .bind(&rows.due_at)
            .bind(&rows.numbers)
            .bind(&rows.days)
            .bind(&rows.slots)
            .bind(&rows.in_lane)
            .execute(&mut *tx.connection)
            .await?;
            if let (Some(seq), Some(id)) = (events.seqs.first(), events.ids.first()) {
                tx.leaves(Witness::Event {
                    seq: *seq,
                    day: day_of(now),
                    id: id.clone(),
                });
            }
            if !self.held.is_empty() {
                tx.leaves(Witness::Claimed(self.claims()));
            }
        }
        if !self.refused_seqs.is_empty() {
            tx.store_endings(&self.refused_seqs, &self.refused_keys, EndReason::Disabled)
                .await?;
        }
        Ok(())
    }
}

/// The lanes that nothing in memory would come back to.
fn woken(lanes: &BTreeMap<i64, (Arc<Outbox>, bool)>) -> Vec<i64> {
    let woken = lanes.iter().filter(|(_, (_, wakes))| *wakes);
    woken.map(|(key, _)| *key).collect()
}

impl Joining {
    /// `wakes`: nothing in memory would come back to the lane.
    pub(super) fn add(&mut self, outbox: &Arc<Outbox>, wakes: bool) {
        let lane = self
            .lanes
            .entry(outbox.key())
            .or_insert_with(|| (Arc::clone(outbox), false));
        lane.1 |= wakes;
    }

    /// Makes sure that the lanes exist, and are tried no later than their backoff allows.
    pub(super) async fn write(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let Self { lanes } = self;
        if lanes.is_empty() {
            return Ok(());
        }
        for (outbox, _) in lanes.values() {
            tx.commit.touched.push(Arc::clone(outbox));
        }
        let now = tx.now();
        let keys: Vec<i64> = lanes.keys().copied().collect();
        let owned: Vec<bool> = lanes
            .values()
            .map(|(of, _)| of.endpoint().keeps_lane)
            .collect();
        // One that is not there any more was left by another node: whoever comes first looks at it.
        // One that another node owns is made due whatever memory thinks: the owner looks.
        let rows = tx
            .query(
                "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures, owned)
                 select key, $3, 0, 0, owned from unnest($1::int8[], $2::bool[]) as t(key, owned)
                 on conflict (endpoint_key) do update
                 set due_at = case
                     when (lane.due_at is null and (excluded.endpoint_key = any($4) or lane.owned and lane.node is distinct from $5)) or lane.due_at > greatest(lane.backoff_until, $3)
                     then greatest(lane.backoff_until, $3) else lane.due_at end
                 where lane.owned or (lane.due_at is null and (excluded.endpoint_key = any($4) or lane.owned and lane.node is distinct from $5))
                    or lane.due_at > greatest(lane.backoff_until, $3)
                 returning endpoint_key, node, xmax = 0, due_at <= $3",
            )
            .bind(&keys)
            .bind(&owned)
            .bind(now)
            .bind(woken(&lanes))
            .bind(tx.node)
            .fetch_all(&mut *tx.connection)
            .await?;
        let mut changed: BTreeMap<i64, (Option<i64>, bool)> = BTreeMap::new();
        for row in rows {
            let (node, is_due): (Option<i64>, Option<bool>) = (row.try_get(1)?, row.try_get(3)?);
            if let Some(node) = node.filter(|node| *node != tx.node)
                && is_due == Some(true)
            {
                tx.concerned.owner(node);
            }
            changed.insert(row.try_get(0)?, (node, row.try_get(2)?));
        }
        for (key, (outbox, wakes)) in &lanes {
            let found = changed.get(key);
            let is_elsewhere =
                found.is_some_and(|(node, _)| node.is_some_and(|node| node != tx.node));
            let is_new = found.is_some_and(|(_, is_new)| *is_new);
            if is_new && outbox.is_in_trouble() {
                // It recovered elsewhere.
                outbox.take_over_lane(Backoff::default());
            }
            if (*wakes || is_new) && !is_elsewhere {
                tx.commit.follow(outbox, outbox.wake());
                tx.commit.due_by(now);
            } else if found.is_some() && outbox.is_in_trouble() {
                // A lane in trouble may have waited for the retry of another delivery, hours away.
                tx.commit.due_by(outbox.backoff_until().max(now));
            }
        }
        Ok(())
    }
}
