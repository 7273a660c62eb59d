//! The deliveries that a transaction adds: collected first, then written as whole arrays.

use std::{collections::BTreeMap, sync::Arc};

use sqlx::{Row, postgres::PgRow};

use super::{
    bell::Concerned,
    held_lanes::UNFORESEEN_WAIT,
    new_events::{NewEvents, insert_events},
    partition::day_of,
    row::int,
    session::Statement,
    slot::slot,
    tx::{Keep, Tx},
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

/// Adds the lanes of `$from`, each with whether it is owned, or makes existing ones due; returns the columns
/// that [`Joined::read`] expects.
///
/// A lane that no longer exists was left by another node: whichever node comes first looks at it. A lane that
/// another node owns is made due whatever memory knows: its owner looks.
macro_rules! join_lanes {
    ($from:literal, woken $woken:literal, now $now:literal, node $node:literal) => {
        concat!(
            "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures, owned)
             select key, ",
            $now,
            ", 0, 0, owned from ",
            $from,
            " as t(key, owned)
             on conflict (endpoint_key) do update
             set due_at = case
                 when (lane.due_at is null and (excluded.endpoint_key = any(",
            $woken,
            ") or lane.owned and lane.node is distinct from ",
            $node,
            "))
                      or lane.due_at > greatest(lane.backoff_until, ",
            $now,
            ")
                 then greatest(lane.backoff_until, ",
            $now,
            ") else lane.due_at end
             where lane.owned or (lane.due_at is null and (excluded.endpoint_key = any(",
            $woken,
            ") or lane.owned and lane.node is distinct from ",
            $node,
            "))
                or lane.due_at > greatest(lane.backoff_until, ",
            $now,
            ")
             returning endpoint_key, node, xmax = 0 as is_new, due_at <= ",
            $now,
            " as is_due"
        )
    };
}
pub(super) use join_lanes;

/// The columns of a delivery that has not been tried.
macro_rules! delivery_columns {
    () => {
        "(event_seq, endpoint_key, claim, due_at, owed_at, number, event_day, attempts, slot, lane)"
    };
}
pub(super) use delivery_columns;

/// Inserts the deliveries in the arrays of [`Owing::bind_deliveries`]. `seq` is an expression for the event of
/// each, and so are its number and its event's day, which may come from further arrays.
macro_rules! insert_deliveries {
    ($seq:literal, number $number:literal, day $day:literal, now $now:literal, from $($from:literal)?
     ($seqs:literal, $keys:literal, $claims:literal, $due_at:literal, $slots:literal, $lanes:literal)
     $(, numbers $numbers:literal, days $days:literal)?) => {
        concat!(
            "insert into webhooks.delivery ",
            $crate::store::postgres::owing::delivery_columns!(),
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

/// New pending deliveries, and the lanes that they join.
#[derive(Default)]
pub(super) struct Owing {
    deliveries: Deliveries,
    /// Deliveries that go to memory once they are written.
    held: Vec<HandOver>,
    /// Deliveries that are refused at once: their endpoints are disabled.
    refused_seqs: Vec<i64>,
    refused_keys: Vec<i64>,
    joining: Joining,
}

/// Lanes that get rows.
#[derive(Default)]
pub(super) struct Joining {
    lanes: BTreeMap<i64, JoiningLane>,
}

/// A lane that gets rows.
struct JoiningLane {
    outbox: Arc<Outbox>,
    /// Nothing in memory would come back to it.
    wakes: bool,
    seqs: Vec<i64>,
}

/// The event to be delivered.
pub(super) struct Owed<'a> {
    pub(super) event: &'a Arc<StoredEvent>,
    /// The day of its partition.
    pub(super) day: i32,
    /// The number of the last attempt ever made.
    pub(super) number: u32,
}

impl Owing {
    /// Adds a pending delivery for an endpoint.
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
                self.joining.add(outbox, wake, &[event.seq]);
                (None, true)
            }
        };
        let endpoint = outbox.endpoint();
        let rows = &mut self.deliveries;
        rows.seqs.push(event.seq);
        rows.keys.push(key);
        rows.claims.push(claim);
        rows.due_at.push(endpoint.due_in_lane(now));
        rows.numbers.push(int(owed.number));
        rows.days.push(owed.day);
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
        !self.joining.lanes.is_empty()
    }

    /// Binds events, endpoints, claims, due times, slots, and whether each is in a lane.
    pub(super) fn bind_deliveries(&self, statement: Statement) -> Statement {
        let rows = &self.deliveries;
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
        let rows = &self.deliveries;
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

impl Joining {
    /// `wakes`: nothing in memory would come back to the lane.
    pub(super) fn add(&mut self, outbox: &Arc<Outbox>, wakes: bool, seqs: &[i64]) {
        let lane = self
            .lanes
            .entry(outbox.key())
            .or_insert_with(|| JoiningLane {
                outbox: Arc::clone(outbox),
                wakes: false,
                seqs: Vec::new(),
            });
        lane.wakes |= wakes;
        lane.seqs.extend(seqs);
    }

    /// If the transaction fails, their outboxes are looked at again.
    fn touch(&self, tx: &mut Tx<'_>) {
        for lane in self.lanes.values() {
            tx.commit.touched.push(Arc::clone(&lane.outbox));
        }
    }

    /// Makes sure that the lanes exist, and are tried no later than their backoff allows.
    pub(super) async fn write(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.touch(tx);
        if tx.lanes.are_first {
            // All of them, in the order of their keys.
            return self.join(tx).await;
        }
        let lanes = self.lanes.into_iter();
        let (held, unforeseen) = lanes.partition(|(key, _)| tx.lanes.holds(*key));
        Self { lanes: held }.join(tx).await?;
        Self { lanes: unforeseen }.join_or_leave_word(tx).await
    }

    /// Joins lanes that turned up late. A transaction that holds other lanes does not wait for one indefinitely,
    /// because its holder may be waiting for one of those. If it does not get the lane, it notes the rows, and
    /// whichever node scans next finds the note.
    async fn join_or_leave_word(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if self.lanes.is_empty() {
            return Ok(());
        }
        let join = async |tx: &mut Tx<'_>| Ok((self.join(tx).await?, Keep::All));
        if tx.unless_busy(UNFORESEEN_WAIT, join).await?.is_none() {
            for (key, lane) in &self.lanes {
                tx.note_arrivals(*key, &lane.seqs).await?;
            }
        }
        Ok(())
    }

    async fn join(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if self.lanes.is_empty() {
            return Ok(());
        }
        let statement = tx.query(join_lanes!(
            "unnest($1::int8[], $2::bool[])",
            woken "$3",
            now "$4",
            node "$5"
        ));
        let rows = self
            .bind_to(statement)
            .bind(tx.now())
            .bind(tx.node)
            .fetch_all(&mut *tx.connection)
            .await?;
        for key in self.lanes.keys() {
            tx.lanes.add(*key);
        }
        self.joined(tx, &Joined::read(&rows)?);
        Ok(())
    }

    /// Binds lanes, whether each is owned, and those that are woken.
    fn bind_to(&self, statement: Statement) -> Statement {
        let keys: Vec<i64> = self.lanes.keys().copied().collect();
        let outboxes = self.lanes.values().map(|lane| &lane.outbox);
        let owned: Vec<bool> = outboxes.map(|of| of.endpoint().keeps_lane).collect();
        let woken = self.lanes.iter().filter(|(_, lane)| lane.wakes);
        let woken: Vec<i64> = woken.map(|(key, _)| *key).collect();
        statement.bind(&keys).bind(&owned).bind(woken)
    }

    /// What follows for memory, and for other nodes.
    fn joined(&self, tx: &mut Tx<'_>, Joined(changed): &Joined) {
        let now = tx.now();
        for lane in changed.values() {
            if let Some(node) = lane.node.filter(|node| *node != tx.node)
                && lane.is_due
            {
                tx.concerned.owner(node);
            }
        }
        for (key, JoiningLane { outbox, wakes, .. }) in &self.lanes {
            let found = changed.get(key);
            let is_elsewhere =
                found.is_some_and(|lane| lane.node.is_some_and(|node| node != tx.node));
            let is_new = found.is_some_and(|lane| lane.is_new);
            if is_new && outbox.is_in_trouble() {
                // It recovered elsewhere.
                outbox.take_over_lane(Backoff::default());
            }
            if (*wakes || is_new) && !is_elsewhere {
                tx.commit.follow(outbox, outbox.wake());
                tx.commit.due_by(now);
            } else if found.is_some() && outbox.is_in_trouble() {
                // A lane in trouble may have been waiting for the retry of another delivery, hours away.
                tx.commit.due_by(outbox.backoff_until().max(now));
            }
        }
    }

    /// They were joined, but it is not known in what state they were: all nodes look.
    fn perhaps_joined(self, tx: &mut Tx<'_>) {
        if self.lanes.is_empty() {
            return;
        }
        for JoiningLane { outbox, .. } in self.lanes.values() {
            tx.commit.follow(outbox, outbox.lane_is_uncertain());
        }
        tx.commit.due_by(tx.now());
        tx.concerned.join(Concerned::All);
    }
}

/// Lanes that were joined and had to be changed, by their keys.
#[derive(Default)]
pub(super) struct Joined(BTreeMap<i64, JoinedLane>);

struct JoinedLane {
    node: Option<i64>,
    is_new: bool,
    is_due: bool,
}

impl Joined {
    /// Reads a lane's key and node, whether it is new and whether it is due; a row without a key has no lane.
    pub(super) fn read(rows: &[PgRow]) -> sqlx::Result<Self> {
        let mut lanes = BTreeMap::new();
        for row in rows {
            let key: Option<i64> = row.try_get(0)?;
            let Some(key) = key else { continue };
            let is_due: Option<bool> = row.try_get(3)?;
            let lane = JoinedLane {
                node: row.try_get(1)?,
                is_new: row.try_get(2)?,
                is_due: is_due == Some(true),
            };
            lanes.insert(key, lane);
        }
        Ok(Self(lanes))
    }
}
