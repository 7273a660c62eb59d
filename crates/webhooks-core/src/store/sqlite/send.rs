//! Storing events and their deliveries.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{ending::store_ending, lane, statement::Statements, tx::Tx};
use crate::{
    delivery::EndReason,
    endpoint::wants,
    event::PreparedEvent,
    model::delivery::{ClaimedDelivery, StoredEvent},
    outbox::{Outbox, placing::Placement},
    same_json::is_same_json,
    send::{SendError, SendReceipt},
    store::{committed::HandOver, error::StoreError},
};

/// What is taken back when an event is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What was written of the events: the transaction continues without them.
    Savepoint,
    /// Nothing was written of a single refused event; another error ends the transaction.
    Transaction,
}

/// Stores events, all of them or none.
pub(crate) fn store_events(
    tx: &mut Tx<'_>,
    customer: &str,
    events: Vec<PreparedEvent>,
    scope: Scope,
) -> Result<Vec<SendReceipt>, SendError> {
    let connection = tx.connection;
    let mark = tx.commit.mark();
    let savepoint = scope == Scope::Savepoint;
    if savepoint {
        connection.run_batch("savepoint webhooks_send")?;
    }
    let stored: Result<Vec<SendReceipt>, SendError> = events
        .into_iter()
        .map(|event| store_event(tx, customer, event))
        .collect();
    if stored.is_err() {
        tx.roll_back_to(mark);
    }
    // A full disk rolls everything back, the savepoint included.
    if savepoint && !connection.is_autocommit() {
        connection.run_batch(if stored.is_ok() {
            "release webhooks_send"
        } else {
            "rollback to webhooks_send; release webhooks_send"
        })?;
    }
    stored
}

/// Stores one event and its deliveries, which are already claimed if memory has room for them.
fn store_event(
    tx: &mut Tx<'_>,
    customer: &str,
    event: PreparedEvent,
) -> Result<SendReceipt, SendError> {
    // First, so that an endpoint that cannot be read refuses the event before anything of it is written.
    let outboxes = tx.endpoints.of_customer(tx.connection, customer)?;
    let seq = tx.sequence.next_event();
    let inserted = tx.connection.run(
        "insert into webhooks_event (seq, id, customer, type, body, created_at, traceparent)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (id, customer) do nothing",
        params![
            seq,
            event.id,
            customer,
            event.event_type,
            &event.body[..],
            tx.now(),
            event.traceparent
        ],
    )?;
    if inserted == 0 {
        return known_event(tx.connection, customer, event);
    }
    let newest_block = &mut tx.sequence.newest_block;
    newest_block.note(tx.connection, customer, seq)?;
    let stored = Arc::new(StoredEvent {
        seq,
        id: event.id,
        body: event.body,
        traceparent: event.traceparent,
    });
    tx.commit.follows.accepted += 1;
    let mut deliveries = 0;
    for outbox in outboxes.iter() {
        if wants(&outbox.endpoint().event_types, &event.event_type) {
            add_delivery(tx, outbox, &stored, 0)?;
            deliveries += 1;
        }
    }
    Ok(SendReceipt {
        event_id: stored.id.clone(),
        deliveries,
        duplicate: false,
    })
}

/// Adds a pending delivery to an endpoint. `number`: of the last attempt ever made.
pub(crate) fn add_delivery(
    tx: &mut Tx<'_>,
    outbox: &Arc<Outbox>,
    event: &Arc<StoredEvent>,
    number: u32,
) -> Result<(), StoreError> {
    let (key, now) = (outbox.key(), tx.now());
    let (held, in_lane) = match outbox.place(event.body.len()) {
        Placement::Refuse => {
            store_ending(tx.connection, (event.seq, key), EndReason::Disabled, now)?;
            return Ok(());
        }
        Placement::Memory { lane, retreats } => (Some((tx.commit.claim(), retreats)), lane),
        Placement::Lane { wake } => {
            lane::join(tx, outbox, wake.then_some(now))?;
            tx.commit.touched.push(Arc::clone(outbox));
            (None, true)
        }
    };
    let due_at = outbox.endpoint().due_in_lane(now);
    let claim = held.map(|(claim, _)| claim);
    let inserted = tx.connection.run(
        "insert into webhooks_delivery (event_seq, endpoint_key, claim, lane, due_at, attempts, number, owed_at)
         values (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)",
        params![event.seq, key, claim, in_lane, due_at, number, now],
    );
    if let Some((claim, retreats)) = held {
        let row = ClaimedDelivery {
            event: Arc::clone(event),
            claim,
            attempts: 0,
            number,
        };
        let handover = HandOver {
            outbox: Arc::clone(outbox),
            row,
            retreats,
        };
        tx.commit.hand_over_if(handover, &inserted);
    }
    inserted?;
    Ok(())
}

/// The same id again: the same content is the same event, different content is an error.
fn known_event(
    connection: &Connection,
    customer: &str,
    event: PreparedEvent,
) -> Result<SendReceipt, SendError> {
    // The body is read only if its bytes differ.
    let known: Option<(i64, bool, Option<Vec<u8>>)> = connection.find_row(
        "select seq, type = ?3, case when body = ?4 then null else body end
         from webhooks_event where id = ?1 and customer = ?2",
        params![event.id, customer, event.event_type, &event.body[..]],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let (seq, same_type, other_body) = known.ok_or(StoreError::Gone)?;
    let same = same_type && other_body.is_none_or(|body| is_same_json(&body, &event.body));
    if !same {
        return Err(SendError::Conflict(event.id));
    }
    let deliveries: i64 = connection.read_row(
        "select count(*) from (
             select endpoint_key from webhooks_delivery where event_seq = ?1
             union select endpoint_key from webhooks_attempt where event_seq = ?1
             union select endpoint_key from webhooks_ending where event_seq = ?1)",
        [seq],
        |row| row.get(0),
    )?;
    Ok(SendReceipt {
        event_id: event.id,
        deliveries: usize::try_from(deliveries).unwrap_or_default(),
        duplicate: true,
    })
}
