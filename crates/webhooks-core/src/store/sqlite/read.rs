//! Reading: events, deliveries and what became of them.

use rusqlite::{Connection, Row, params};

use super::{endpoints, statement::Statements};
use crate::{
    clock::Timeline,
    delivery::{Delivery, Explanation},
    event::EventRecord,
    model::{delivery::DeliveryOf, endpoint::EndpointRecord},
    store::{
        attempt_row::AttemptRow,
        delivery_state::{HotRow, LaneRow, StoredDelivery},
        endpoint_row::EndpointReader,
        error::StoreError,
    },
};

/// What a query is answered from.
pub(super) struct Reading<'a> {
    pub(super) connection: &'a Connection,
    pub(super) timeline: &'a Timeline,
    pub(super) endpoints: &'a EndpointReader,
}

/// The event that a query is about.
pub(super) struct EventRow {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) created_at: i64,
}

impl EventRow {
    /// Reads the columns `seq, id, type, created_at`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            event_type: row.get(2)?,
            created_at: row.get(3)?,
        })
    }
}

fn event(
    connection: &Connection,
    customer: &str,
    id: &str,
) -> Result<Option<EventRow>, StoreError> {
    connection.find_row(
        "select seq, id, type, created_at from webhooks_event where id = ?1 and customer = ?2",
        [id, customer],
        EventRow::read,
    )
}

/// An event with its body.
pub(super) fn event_record(
    reading: &Reading<'_>,
    customer: &str,
    id: &str,
) -> Result<Option<EventRecord>, StoreError> {
    reading.connection.find_row(
        "select id, type, created_at, body from webhooks_event where id = ?1 and customer = ?2",
        [id, customer],
        |row| {
            Ok(EventRecord {
                id: row.get(0)?,
                event_type: row.get(1)?,
                created_at: reading.timeline.to_wall(row.get(2)?),
                body: row.get(3)?,
            })
        },
    )
}

/// Every delivery of an event, in the order its endpoints were added.
pub(super) fn deliveries_of_event(
    reading: &Reading<'_>,
    customer: &str,
    event_id: &str,
) -> Result<Vec<Delivery>, StoreError> {
    let connection = reading.connection;
    let Some(event) = event(connection, customer, event_id)? else {
        return Ok(Vec::new());
    };
    let keys: Vec<i64> = connection.read_rows(
        "select endpoint_key from webhooks_delivery where event_seq = ?1
         union select endpoint_key from webhooks_attempt where event_seq = ?1
         union select endpoint_key from webhooks_ending where event_seq = ?1
         order by 1",
        [event.seq],
        |row| row.get(0),
    )?;
    let mut deliveries = Vec::with_capacity(keys.len());
    for key in keys {
        let endpoint =
            endpoints::read(reading.endpoints, connection, "key = ?1", params![key])?.pop();
        deliveries.push(delivery(reading, &event, key, endpoint.as_ref())?);
    }
    Ok(deliveries)
}

pub(super) fn delivery(
    reading: &Reading<'_>,
    event: &EventRow,
    key: i64,
    endpoint: Option<&EndpointRecord>,
) -> Result<Delivery, StoreError> {
    let connection = reading.connection;
    let attempts = connection.read_rows(
        "select number, at, duration_us, status, failure, detail, headers, body from webhooks_attempt
         where event_seq = ?1 and endpoint_key = ?2 order by number",
        [event.seq, key],
        |row| {
            Ok(AttemptRow {
                number: row.get(0)?,
                at: row.get(1)?,
                duration_us: row.get(2)?,
                status: row.get(3)?,
                failure: row.get(4)?,
                detail: row.get(5)?,
                headers: row.get(6)?,
                body_head: row.get(7)?,
            })
        },
    )?;
    let hot = connection.find_row(
        "select d.claim is not null, d.lane, d.due_at, d.attempts, l.due_at, coalesce(l.failures, 0)
         from webhooks_delivery d left join webhooks_lane l on l.endpoint_key = d.endpoint_key
         where d.event_seq = ?1 and d.endpoint_key = ?2",
        [event.seq, key],
        |row| {
            Ok(HotRow {
                is_claimed: row.get(0)?,
                in_lane: row.get(1)?,
                due_at: row.get(2)?,
                attempts: row.get(3)?,
                lane: LaneRow {
                    next_try: row.get(4)?,
                    failures: row.get(5)?,
                },
            })
        },
    )?;
    let ending = connection.find_row(
        "select reason, at from webhooks_ending where event_seq = ?1 and endpoint_key = ?2",
        [event.seq, key],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let stored = StoredDelivery {
        event_id: &event.id,
        event_type: &event.event_type,
        created_at: event.created_at,
        hot,
        ending,
        endpoint,
        attempts,
    };
    stored.delivery(reading.timeline)
}

/// Why an event did not arrive at an endpoint, or that it did.
pub(super) fn explain(reading: &Reading<'_>, of: &DeliveryOf) -> Result<Explanation, StoreError> {
    let connection = reading.connection;
    let Some(event) = event(connection, &of.endpoint.customer, &of.event_id)? else {
        return Ok(Explanation::NoSuchEvent);
    };
    let endpoint = endpoints::read(
        reading.endpoints,
        connection,
        "id = ?1 and customer = ?2",
        params![of.endpoint.id.as_str(), of.endpoint.customer],
    )?
    .pop();
    let Some(endpoint) = endpoint else {
        return Ok(Explanation::NoSuchEndpoint);
    };
    match delivery(reading, &event, endpoint.key, Some(&endpoint)) {
        Ok(delivery) => return Ok(Explanation::Delivery(Box::new(delivery))),
        Err(StoreError::Gone) => {}
        Err(error) => return Err(error),
    }
    Ok(endpoint.without_delivery(event.event_type, event.created_at, reading.timeline))
}

/// How many deliveries are pending: for `shutdown`'s report and for health pages.
pub(super) fn count_pending(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection.read_row("select count(*) from webhooks_delivery", [], |row| {
        row.get(0)
    })?;
    Ok(count.unsigned_abs())
}

/// How many deliveries have not been tried.
pub(super) fn count_untried(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection.read_row(
        "select count(*) from webhooks_delivery where number = 0",
        [],
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}

/// One page of a customer's endpoints.
pub(super) fn endpoints_of(
    reading: &Reading<'_>,
    customer: &str,
) -> Result<Vec<EndpointRecord>, StoreError> {
    endpoints::read(
        reading.endpoints,
        reading.connection,
        "customer = ?1 and state <> 'removed'",
        params![customer],
    )
}
