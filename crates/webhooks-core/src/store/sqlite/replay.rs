//! Resending, canceling and skipping: what people do to single deliveries.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{
    customer_events, ending::store_ending, endpoints::find, lane, read::Reading,
    retention::first_since, send::add_delivery, statement::Statements, tx::Tx,
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
    store::{delivery_error::DeliveryError, error::StoreError, taken_away::TakenAway},
};

fn find_event(connection: &Connection, of: &DeliveryOf) -> Result<StoredEvent, DeliveryError> {
    connection
        .find_row(
            "select seq, id, body, traceparent from webhooks_event where id = ?1 and customer = ?2",
            [&of.event_id, &of.endpoint.customer],
            StoredEvent::read,
        )?
        .ok_or_else(|| of.unknown_event())
}

/// Sends one event to one endpoint again, now. If it is still pending, it is only made due.
pub(crate) fn resend(tx: &mut Tx<'_>, of: &DeliveryOf) -> Result<(), DeliveryError> {
    let key = find(tx.connection, &of.endpoint)?;
    let event = find_event(tx.connection, of)?;
    let seq = event.seq;
    let outbox = tx
        .endpoints
        .by_key(tx.connection, key)?
        .ok_or_else(|| of.endpoint.unknown())?;
    if matches!(outbox.endpoint().state, EndpointState::Disabled { .. }) {
        return Err(DeliveryError::Disabled(of.endpoint.id.clone()));
    }
    let now = tx.now();
    let is_pending: Option<bool> = tx.connection.find_row(
        "select lane from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2",
        [seq, key],
        |row| row.get(0),
    )?;
    match is_pending {
        None => add_again(tx, &outbox, event)?,
        Some(_) => {
            tx.connection.run(
                "update webhooks_delivery set due_at = min(due_at, ?3), owed_at = ?3
                 where event_seq = ?1 and endpoint_key = ?2 and claim is null",
                params![seq, key, now],
            )?;
            try_lane_now(tx, key, now)?;
        }
    }
    tx.commit.due_by(now);
    Ok(())
}

/// Makes an endpoint's lane due now, regardless of its backoff.
fn try_lane_now(tx: &mut Tx<'_>, key: i64, now: i64) -> Result<(), StoreError> {
    tx.connection.run(
        "update webhooks_lane set due_at = ?2, backoff_until = 0 where endpoint_key = ?1 and due_at is not null",
        [key, now],
    )?;
    tx.commit.due_by(now);
    Ok(())
}

fn add_again(tx: &mut Tx<'_>, outbox: &Arc<Outbox>, event: StoredEvent) -> Result<(), StoreError> {
    let (seq, key) = (event.seq, outbox.key());
    let number: Option<u32> = tx.connection.read_row(
        "select max(number) from webhooks_attempt where event_seq = ?1 and endpoint_key = ?2",
        [seq, key],
        |row| row.get(0),
    )?;
    tx.connection.run(
        "delete from webhooks_ending where event_seq = ?1 and endpoint_key = ?2",
        [seq, key],
    )?;
    add_delivery(tx, outbox, &Arc::new(event), number.unwrap_or_default())
}

/// Removes a delivery: no further attempt is started.
pub(crate) fn take_away(
    tx: &mut Tx<'_>,
    of: &DeliveryOf,
    ending: EndReason,
) -> Result<TakenAway, DeliveryError> {
    let key = find(tx.connection, &of.endpoint)?;
    let seq = find_event(tx.connection, of)?.seq;
    let claim: Option<Option<i64>> = tx.connection.find_row(
        "delete from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2 returning claim",
        [seq, key],
        |row| row.get(0),
    )?;
    let Some(claim) = claim else {
        return Err(of.not_pending());
    };
    let now = tx.now();
    store_ending(tx.connection, (seq, key), ending, now)?;
    let outbox = tx.endpoints.by_key(tx.connection, key)?;
    let ordered = outbox
        .as_ref()
        .is_some_and(|outbox| outbox.endpoint().ordered);
    if ordered && !stands_behind(tx.connection, seq, key)? {
        // The deliveries behind it may continue.
        try_lane_now(tx, key, now)?;
    }
    if claim.is_some() {
        // Its outcome would have said when the lane is next tried.
        lane::try_again(tx, key)?;
    }
    Ok(TakenAway { outbox, claim })
}

/// Whether something is ahead of this event in the lane of an ordered endpoint.
fn stands_behind(connection: &Connection, seq: i64, key: i64) -> Result<bool, StoreError> {
    connection.has_row(
        "select 1 from webhooks_delivery
         where endpoint_key = ?1 and claim is null and lane = 1 and due_at = 0 and event_seq < ?2
         limit 1",
        [key, seq],
    )
}

/// The head of an ordered endpoint: the delivery that those behind it wait for.
pub(crate) fn head(tx: &mut Tx<'_>, key: i64) -> Result<Option<String>, StoreError> {
    let outbox = tx.endpoints.by_key(tx.connection, key)?;
    if let Some(outbox) = outbox.filter(|outbox| outbox.endpoint().ordered) {
        match outbox.head() {
            HeadInMemory::Tried(event_id) => return Ok(Some(event_id)),
            HeadInMemory::Passing => return Ok(None),
            HeadInMemory::Nothing => {}
        }
    }
    tx.connection.find_row(
        "select e.id from webhooks_delivery d join webhooks_event e on e.seq = d.event_seq
         where d.endpoint_key = ?1 and d.lane = 1 and d.claim is null
         order by d.due_at, d.event_seq limit 1",
        [key],
        |row| row.get(0),
    )
}

pub(crate) fn look(
    reading: &Reading<'_>,
    endpoint: &EndpointRecord,
    replay: &Replay,
    from: Option<i64>,
) -> Result<Look, StoreError> {
    let Reading {
        connection,
        timeline,
        ..
    } = *reading;
    let since = replay.since.map_or(i64::MIN, |at| timeline.at_wall(at));
    let until = replay.until.map_or(i64::MAX, |at| timeline.at_wall(at));
    let from = match from {
        Some(from) => Some(from),
        None => first_since(connection, since)?,
    };
    let Some(from) = from else {
        return Ok(Look::default());
    };
    let found = customer_events::after(connection, &endpoint.customer, from - 1, LOOK_ROWS)?;
    let mut look = Look {
        next: found
            .last()
            .filter(|_| found.len() == LOOK_ROWS)
            .map(|seq| seq + 1),
        ..Look::default()
    };
    for seq in found {
        let event: Option<(i64, LookedAt)> = connection.find_row(
            "select type, created_at,
                    exists (select 1 from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2),
                    exists (select 1 from webhooks_ending where event_seq = ?1 and endpoint_key = ?2),
                    exists (select 1 from webhooks_attempt
                            where event_seq = ?1 and endpoint_key = ?2 and failure is null)
             from webhooks_event where seq = ?1",
            [seq, endpoint.key],
            |row| {
                let event = LookedAt {
                    event_type: row.get(0)?,
                    is_pending: row.get(2)?,
                    ended: row.get(3)?,
                    delivered: row.get(4)?,
                };
                Ok((row.get(1)?, event))
            },
        )?;
        // Retention may have deleted it between the two queries.
        let Some((created_at, event)) = event else {
            continue;
        };
        if created_at >= until {
            look.next = None;
            break;
        }
        if created_at >= since && event.matches(replay.outcome, &endpoint.event_types) {
            look.seqs.push(seq);
        }
    }
    Ok(look)
}

/// Adds the deliveries that one step of a replay found. Returns how many are pending now.
pub(crate) fn replay(tx: &mut Tx<'_>, key: i64, seqs: &[i64]) -> Result<usize, StoreError> {
    let Some(outbox) = tx.endpoints.by_key(tx.connection, key)? else {
        return Ok(0);
    };
    let mut added = 0;
    for seq in seqs {
        let event = tx.connection.find_row(
            "select seq, id, body, traceparent from webhooks_event where seq = ?1
             and not exists (select 1 from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2)",
            [*seq, key],
            StoredEvent::read,
        )?;
        if let Some(event) = event {
            add_again(tx, &outbox, event)?;
            added += 1;
        }
    }
    Ok(added)
}
