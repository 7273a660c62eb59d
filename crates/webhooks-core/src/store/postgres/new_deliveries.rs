//! The deliveries that a transaction adds: collected first, then written as whole arrays.

use std::sync::Arc;

use super::{
    joining::{Joined, Joining},
    new_events::{NewEvents, insert_events},
    partition::day_of,
    row::int,
    session::Statement,
    slot::slot,
    tx::Tx,
    witness::{Claims, Witness},
};
use crate::{
    delivery::EndReason,
    model::delivery::{ClaimedDelivery, StoredEvent},
    outbox::{Outbox, placing::Placement},
    store::{committed::HandOver, error::StoreError},
};

/// The columns of a delivery that has not been tried.
macro_rules! delivery_columns {
    () => {
        "(event_seq, endpoint_key, claim, due_at, owed_at, number, event_day, attempts, slot, lane)"
    };
}
pub(super) use delivery_columns;

/// Inserts the deliveries in the arrays of [`NewDeliveries::bind_deliveries`]. `seq` is an expression for the
/// event of each, and so are its number and its event's day, which may come from further arrays.
macro_rules! insert_deliveries {
    ($seq:literal, number $number:literal, day $day:literal, now $now:literal, from $($from:literal)?
     ($seqs:literal, $keys:literal, $claims:literal, $due_at:literal, $slots:literal, $lanes:literal)
     $(, numbers $numbers:literal, days $days:literal)?) => {
        concat!(
            "insert into webhooks.delivery ",
            $crate::store::postgres::new_deliveries::delivery_columns!(),
            " select ", $seq, ", key, claim, due_at, ", $now, ", ", $number, ", ", $day, ", 0, slot, lane
             from ", $($from, " cross join ",)?
            "unnest(", $seqs, "::int8[], ", $keys, "::int8[], ", $claims, "::int8[], ", $due_at, "::int8[], ",
            $slots, "::int2[], ", $lanes, "::bool[]", $(", ", $numbers, "::int4[], ", $days, "::int4[]",)?
            ") as t(seq, key, claim, due_at, slot, lane", $(insert_deliveries!(@names $numbers),)? ")"
        )
    };
    (@names $numbers:literal) => {
        ", number, day"
    };
}
pub(super) use insert_deliveries;

/// The rows of new deliveries, column by column.
#[derive(Default)]
struct Columns {
    seqs: Vec<i64>,
    keys: Vec<i64>,
    claims: Vec<Option<i64>>,
    due_at: Vec<i64>,
    numbers: Vec<i32>,
    days: Vec<i32>,
    slots: Vec<i16>,
    in_lane: Vec<bool>,
}

/// New pending deliveries, and the lanes that they join.
#[derive(Default)]
pub(super) struct NewDeliveries {
    rows: Columns,
    /// Deliveries that go to memory once they are written.
    held: Vec<HandOver>,
    /// Deliveries that are refused at once: their endpoints are disabled.
    refused_seqs: Vec<i64>,
    refused_keys: Vec<i64>,
    joining: Joining,
}

/// A delivery of an event, before it has an endpoint.
pub(super) struct NewDelivery<'a> {
    pub(super) event: &'a Arc<StoredEvent>,
    /// The day of its partition.
    pub(super) day: i32,
    /// The number of the last attempt ever made.
    pub(super) number: u32,
}

impl NewDeliveries {
    /// Adds a pending delivery for an endpoint.
    pub(super) fn add(
        &mut self,
        tx: &mut Tx<'_>,
        outbox: &Arc<Outbox>,
        delivery: &NewDelivery<'_>,
    ) {
        let (key, now) = (outbox.key(), tx.now());
        let event = delivery.event;
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
                        number: delivery.number,
                    },
                    retreats,
                });
                (Some(claim), lane)
            }
            Placement::Lane { wake } => {
                self.joining.add(outbox, wake, &[event.seq]);
                (None, true)
            }
        };
        let endpoint = outbox.endpoint();
        let rows = &mut self.rows;
        rows.seqs.push(event.seq);
        rows.keys.push(key);
        rows.claims.push(claim);
        rows.due_at.push(endpoint.due_in_lane(now));
        rows.numbers.push(int(delivery.number));
        rows.days.push(delivery.day);
        rows.slots.push(slot(&endpoint.customer));
        rows.in_lane.push(in_lane);
    }

    /// Writes it, with the events that are new. Held deliveries go to memory after the commit, or are
    /// counted out again here.
    pub(super) async fn write(self, tx: &mut Tx<'_>, events: &NewEvents) -> Result<(), StoreError> {
        let written = self.write_rows(tx, events).await;
        for handover in self.held {
            tx.commit.hand_over_if(handover, &written);
        }
        written?;
        self.joining.write(tx).await
    }

    /// It was written, by one statement that counted numbers from `base`. `joined`: the lanes, if they are
    /// known.
    pub(super) fn written(self, tx: &mut Tx<'_>, base: i64, joined: Option<&Joined>) {
        let mut last: Option<(i64, Arc<StoredEvent>)> = None;
        for mut handover in self.held {
            let row = &mut handover.row;
            let place = row.event.seq;
            row.event = match &last {
                Some((of, event)) if *of == place => Arc::clone(event),
                _ => Arc::new(StoredEvent {
                    seq: base + place,
                    id: row.event.id.clone(),
                    body: row.event.body.clone(),
                    traceparent: row.event.traceparent.clone(),
                }),
            };
            last = Some((place, Arc::clone(&row.event)));
            tx.commit.hand_over(handover);
        }
        match joined {
            Some(joined) => self.joining.joined(tx, joined),
            None => self.joining.perhaps_joined(tx),
        }
    }

    /// It was not written: what was counted in is counted out again.
    pub(super) fn forget(self, tx: &mut Tx<'_>) {
        for HandOver { outbox, row, .. } in self.held {
            outbox.forget_expected(&row);
        }
        self.joining.touch(tx);
    }

    /// Whether some of it is refused.
    pub(super) fn refuses(&self) -> bool {
        !self.refused_seqs.is_empty()
    }

    pub(super) fn joins_lanes(&self) -> bool {
        !self.joining.is_empty()
    }

    /// Binds events, endpoints, claims, due times, slots, and whether each is in a lane.
    pub(super) fn bind_deliveries(&self, statement: Statement) -> Statement {
        let rows = &self.rows;
        statement
            .bind(&rows.seqs)
            .bind(&rows.keys)
            .bind(&rows.claims)
            .bind(&rows.due_at)
            .bind(&rows.slots)
            .bind(&rows.in_lane)
    }

    /// Binds lanes, whether each is owned, and those that are woken.
    pub(super) fn bind_lanes(&self, statement: Statement) -> Statement {
        self.joining.bind_to(statement)
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

    /// Writes them in one statement, because each statement is a round trip.
    async fn write_rows(&self, tx: &mut Tx<'_>, events: &NewEvents) -> Result<(), StoreError> {
        let now = tx.now();
        let rows = &self.rows;
        if !rows.seqs.is_empty() || !events.seqs.is_empty() {
            let statement = tx.query(concat!(
                "with stored as (",
                insert_events!(
                    "seq", day "$7", now "$8",
                    from("$1", "$2", "$3", "$4", "$5", "$6")
                ),
                ") ",
                insert_deliveries!(
                    "seq", number "number", day "day", now "$8",
                    from("$9", "$10", "$11", "$12", "$13", "$14"), numbers "$15", days "$16"
                )
            ));
            let statement = events.bind_to(statement).bind(day_of(now)).bind(now);
            self.bind_deliveries(statement)
                .bind(&rows.numbers)
                .bind(&rows.days)
                .execute(tx.connection)
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
