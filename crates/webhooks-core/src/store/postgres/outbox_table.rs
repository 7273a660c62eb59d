//! The outbox table: rows that any program put into `outbox` in its own transaction become events
//! here, each exactly once.
//!
//! A row leaves the table in the transaction that stores its event. A row that cannot become an event stays, with
//! the reason in `refused`, and holds nothing up; so does one whose event a constraint or a trigger of the app
//! refuses. Ids are not in the order of commits: a row that a later look finds may have a lower id, and is taken
//! anyway.
//!
//! One node takes rows at a time. A row that was inserted after another was committed has the higher id, so a node
//! that takes both takes them in that order; if two nodes took rows at once, each could get one of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    chosen_ids::{Behind, Call},
    error::refusal_of,
    read::Reading,
    send::{Additions, Numbers},
    tx::Tx,
};
use crate::{
    event::{EVENT_BYTES_MAX, Event, EventError, PreparedEvent, check_customer, shorten},
    model::outbox_rows::{REFUSED_ROWS_MAX, RefusedRow, TAKE_ROWS, TakenRows},
    send::SendError,
    store::error::StoreError,
};

/// The key of the advisory lock under which one node takes rows, together with that of the schema: "webo".
const LOCK_KEY: i32 = 0x7765_626f;

/// How often one transaction looks for rows after those of customers whose rows wait, each time leaving out the
/// customers that wait so far.
const LOOKS_MAX: usize = 8;

/// What became of rows that were looked at.
#[derive(Default, Clone)]
struct Taken {
    /// Those that have become events.
    stored: Vec<i64>,
    /// Those that cannot become one, and why.
    refused: (Vec<i64>, Vec<String>),
    /// Customers whose rows are left for the next time.
    waiting: BTreeSet<String>,
}

/// The id, customer, type, data, event's id and size of the data in bytes of a row; no data if that is too large.
type WaitingRow = (i64, String, String, Option<String>, Option<String>, i32);

/// A row that can be stored, as far as is known without the database.
#[derive(Clone)]
struct ReadyRow {
    id: i64,
    customer: String,
    event: PreparedEvent,
}

/// How the rows of one look are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storing {
    /// All of them or none, in as few statements as there can be.
    Together,
    /// The rows that the database refuses are searched for, and only those are refused.
    Apart,
}

impl Tx<'_> {
    /// Takes what can be taken, up to a bound. Waiting rows hold up only the later rows of the same customer,
    /// however many they are. Refused rows hold nothing up.
    pub(super) async fn take_rows(&mut self) -> Result<TakenRows, StoreError> {
        let taken = self
            .in_savepoint(async |tx: &mut Tx<'_>| tx.take_rows_as(Storing::Together).await)
            .await;
        match taken {
            Err(error) if refusal_of(&error).is_some() => {
                self.in_savepoint(async |tx: &mut Tx<'_>| tx.take_rows_as(Storing::Apart).await)
                    .await
            }
            taken => taken,
        }
    }

    async fn take_rows_as(&mut self, storing: Storing) -> Result<TakenRows, StoreError> {
        if !self.takes_alone().await? {
            return Ok(TakenRows {
                waits: true,
                ..TakenRows::default()
            });
        }
        let (mut events, mut left) = (0, TAKE_ROWS);
        let mut waiting = BTreeSet::new();
        let mut is_full = true;
        for _ in 0..LOOKS_MAX {
            let rows = self.waiting_rows(&waiting, left).await?;
            is_full = rows.len() == left;
            let taken = self.take(rows, storing).await?;
            events += taken.stored.len();
            left -= taken.stored.len() + taken.refused.0.len();
            let finds_waiting = !taken.waiting.is_empty();
            waiting.extend(taken.waiting);
            if !is_full || !finds_waiting || left == 0 {
                break;
            }
        }
        Ok(TakenRows {
            events: u64::try_from(events).unwrap_or_default(),
            more: is_full && left < TAKE_ROWS,
            waits: !waiting.is_empty(),
        })
    }

    /// The first rows of customers other than these. The rows of these are in the same index, which is walked.
    async fn waiting_rows(
        &mut self,
        passed_over: &BTreeSet<String>,
        limit: usize,
    ) -> Result<Vec<WaitingRow>, StoreError> {
        let passed_over: Vec<&str> = passed_over.iter().map(String::as_str).collect();
        self.query(
            "select id, customer, type, case when octet_length(data::text) > $1 then null else data::text end,
                    event_id, octet_length(data::text)
             from webhooks.outbox where refused is null and customer <> all($3) order by id limit $2
             for update skip locked",
        )
        .bind(i32::try_from(EVENT_BYTES_MAX).unwrap_or(i32::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(passed_over)
        .read_rows(self.connection)
        .await
    }

    /// Turns these rows into events.
    async fn take(&mut self, rows: Vec<WaitingRow>, storing: Storing) -> Result<Taken, StoreError> {
        let mut taken = Taken::default();
        if rows.is_empty() {
            return Ok(taken);
        }
        let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
        let prepared: Vec<_> = rows.into_iter().map(prepare).collect();
        taken.waiting = self.waiting_customers(&prepared).await?;
        let batch = self
            .query("select nextval('webhooks.event_batch')")
            .read_value(self.connection)
            .await?;
        let mut numbers = Numbers::new(vec![batch]);
        let mut ready = Vec::with_capacity(ids.len());
        for (id, prepared) in ids.into_iter().zip(prepared) {
            match prepared {
                Ok((customer, event)) => ready.push(ReadyRow {
                    id,
                    customer,
                    event,
                }),
                Err(error) => taken.refuse(id, error.to_string()),
            }
        }
        match storing {
            Storing::Together => self.store_rows(ready, &mut numbers, &mut taken).await?,
            Storing::Apart => self.store_apart(ready, &mut numbers, &mut taken).await?,
        }
        taken.say_refused();
        self.query("delete from webhooks.outbox where id = any($1)")
            .bind(&taken.stored)
            .execute(self.connection)
            .await?;
        if !taken.refused.0.is_empty() {
            self.query(
                "update webhooks.outbox o set refused = t.reason
                 from unnest($1::int8[], $2::text[]) as t(id, reason)
                 cross join lateral (select x.ctid from webhooks.outbox x where x.id = t.id limit 1) found
                 where o.ctid = found.ctid",
            )
            .bind(&taken.refused.0)
            .bind(&taken.refused.1)
            .execute(self.connection)
            .await?;
        }
        Ok(taken)
    }

    /// Whether this node alone takes rows until the end of this transaction. It does not wait for the lock,
    /// because it may hold lanes.
    async fn takes_alone(&mut self) -> Result<bool, StoreError> {
        self.query("select pg_try_advisory_xact_lock($1, hashtext($2))")
            .bind(LOCK_KEY)
            .bind(self.schema.name())
            .read_value(self.connection)
            .await
    }

    /// Customers whose rows are left for the next time, because others hold the lanes that these would join.
    async fn waiting_customers(
        &mut self,
        rows: &[Result<(String, PreparedEvent), EventError>],
    ) -> Result<BTreeSet<String>, StoreError> {
        let customers: BTreeSet<&str> = rows
            .iter()
            .flatten()
            .map(|(customer, _)| customer.as_str())
            .collect();
        self.know_customers(customers.iter().copied()).await?;
        let mut lanes: BTreeMap<i64, &str> = BTreeMap::new();
        for customer in customers {
            let outboxes = self.endpoints.cache.of_customer(customer);
            for outbox in outboxes.iter().flat_map(|outboxes| outboxes.iter()) {
                if outbox.adds_to_lane() {
                    lanes.insert(outbox.key(), customer);
                }
            }
        }
        let keys = lanes.keys().copied().collect();
        let busy = self.busy_lanes(&keys).await?;
        Ok(busy
            .into_iter()
            .filter_map(|key| lanes.get(&key).map(|customer| (*customer).to_owned()))
            .collect())
    }

    /// Stores the events of these rows, and refuses only those that the database refuses.
    async fn store_apart(
        &mut self,
        rows: Vec<ReadyRow>,
        numbers: &mut Numbers,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        let mut parts = vec![rows];
        while let Some(mut part) = parts.pop() {
            let place = numbers.place();
            let mut with_part = taken.clone();
            let stored = self
                .in_savepoint(async |tx: &mut Tx<'_>| {
                    tx.store_rows(part.clone(), numbers, &mut with_part).await
                })
                .await;
            let Err(error) = stored else {
                *taken = with_part;
                continue;
            };
            let Some(reason) = refusal_of(&error) else {
                return Err(error);
            };
            numbers.rewind(place);
            if let [row] = &part[..] {
                taken.refuse(row.id, reason);
            } else {
                let behind = part.split_off(part.len() / 2);
                parts.extend([behind, part]);
            }
        }
        Ok(())
    }

    /// Stores the events of these rows, except those that wait for a lane that others hold, or for an id that
    /// another transaction has inserted.
    async fn store_rows(
        &mut self,
        mut rows: Vec<ReadyRow>,
        numbers: &mut Numbers,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        rows.retain(|row| !taken.waiting.contains(&row.customer));
        let calls: Vec<Call<'_>> = rows
            .iter()
            .map(|row| {
                Ok(Call {
                    customer: &row.customer,
                    events: std::slice::from_ref(&row.event),
                    seqs: numbers.take(1)?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        let accepted = self.accept(&calls, Behind::Customer).await?;
        let seqs: Vec<Vec<i64>> = calls.into_iter().map(|call| call.seqs).collect();
        let mut additions = Additions::default();
        for ((row, seqs), accepted) in rows.into_iter().zip(seqs).zip(accepted) {
            let ReadyRow {
                id,
                customer,
                event,
            } = row;
            match accepted {
                Ok(accepted) => {
                    let events = std::iter::once(event).zip(seqs);
                    self.place_call(&customer, events, accepted, &mut additions);
                    taken.stored.push(id);
                }
                Err(SendError::Busy(_)) => {
                    taken.waiting.insert(customer);
                }
                Err(error) => taken.refuse(id, error.to_string()),
            }
        }
        self.write(additions).await
    }

    /// Makes a refused row wait again. False if there is none with this id.
    pub(super) async fn retry_row(&mut self, id: i64) -> Result<bool, StoreError> {
        let changed = self
            .query(
                "update webhooks.outbox set refused = null where id = $1 and refused is not null",
            )
            .bind(id)
            .execute(self.connection)
            .await?;
        Ok(changed > 0)
    }
}

impl Taken {
    fn refuse(&mut self, id: i64, reason: String) {
        self.refused.0.push(id);
        self.refused.1.push(reason);
    }

    fn say_refused(&self) {
        for (id, reason) in self.refused.0.iter().zip(&self.refused.1) {
            tracing::warn!(
                outbox.id = id,
                reason,
                "a row of the outbox table cannot become an event; it stays there, and holds nothing up"
            );
        }
    }
}

/// The refused rows after `after`, in the order of their ids.
pub(super) async fn refused_rows(
    reading: &mut Reading<'_>,
    after: i64,
) -> Result<Vec<RefusedRow>, StoreError> {
    let rows: Vec<(i64, String, String, Option<String>, String)> = reading
        .query(
            "select id, customer, type, event_id, refused from webhooks.outbox
             where refused is not null and id > $1 order by id limit $2",
        )
        .bind(after)
        .bind(i64::try_from(REFUSED_ROWS_MAX).unwrap_or(i64::MAX))
        .read_rows(reading.reader.connection)
        .await?;
    let refused = rows
        .into_iter()
        .map(|(id, customer, event_type, event_id, reason)| RefusedRow {
            id,
            customer: shorten(&customer),
            event_type: shorten(&event_type),
            event_id: event_id.as_deref().map(shorten),
            reason: shorten(&reason),
        });
    Ok(refused.collect())
}

/// The customer and the event of a row.
fn prepare(
    (_, customer, event_type, data, event_id, size_bytes): WaitingRow,
) -> Result<(String, PreparedEvent), EventError> {
    check_customer(&customer)?;
    let Some(data) = data else {
        let size_bytes = usize::try_from(size_bytes).unwrap_or(usize::MAX);
        return Err(EventError::TooLarge(size_bytes));
    };
    let data: &serde_json::value::RawValue =
        serde_json::from_str(&data).map_err(|error| EventError::Data(error.to_string()))?;
    let mut event = Event::new(event_type, data);
    if let Some(id) = event_id {
        event = event.id(id);
    }
    Ok((customer, event.prepare()?))
}
