//! Reading: events, deliveries and what became of them.

use rusqlite::{Connection, Row, params};

use super::{endpoints, statement::Statements};
use crate::{
    attempt::{Attempt, BodyCut, Failure, Outcome},
    clock::Timeline,
    delivery::{Delivery, DeliveryState, Explanation},
    endpoint::{EndpointId, EndpointState},
    event::EventRecord,
    model::{delivery::DeliveryOf, endpoint::EndpointRecord, outcome::header_pairs},
    store::{
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
    let attempts: Vec<Attempt> = reading
        .connection
        .prepare_cached(
            "select number, at, duration_us, status, failure, detail, headers, body from webhooks_attempt
             where event_seq = ?1 and endpoint_key = ?2 order by number",
        )?
        .query_and_then([event.seq, key], |row| read_attempt(reading, row))?
        .collect::<Result<_, _>>()?;
    let state = state(reading, (event.seq, key), endpoint, &attempts)?;
    Ok(Delivery {
        event_id: event.id.clone(),
        event_type: event.event_type.clone(),
        created_at: reading.timeline.to_wall(event.created_at),
        endpoint_id: endpoint.map_or_else(|| EndpointId::from(""), |endpoint| endpoint.id.clone()),
        url: endpoint.map_or_else(String::new, |endpoint| endpoint.shown_url.clone()),
        disabled: endpoint.and_then(|endpoint| match &endpoint.state {
            EndpointState::Disabled { reason } => Some(reason.clone()),
            _ => None,
        }),
        state,
        attempts,
    })
}

fn read_attempt(reading: &Reading<'_>, row: &Row<'_>) -> Result<Attempt, StoreError> {
    let number: u32 = row.get(0)?;
    let duration_us: i64 = row.get(2)?;
    let status: Option<u16> = row.get(3)?;
    let failure: Option<String> = row.get(4)?;
    let detail: Option<String> = row.get(5)?;
    let body_cut = detail.as_deref().and_then(BodyCut::from_stored);
    let headers: String = row.get(6)?;
    let outcome = match failure {
        None => Outcome::Success,
        Some(code) => {
            let failure = Failure::from_stored(&code, detail.unwrap_or_default(), status);
            let damaged = || StoreError::Damaged(format!("the failure of attempt {number}"));
            Outcome::Failure(failure.ok_or_else(damaged)?)
        }
    };
    Ok(Attempt {
        number,
        at: reading.timeline.to_wall(row.get(1)?),
        duration: std::time::Duration::from_micros(duration_us.unsigned_abs()),
        outcome,
        status,
        headers: header_pairs(&headers),
        body_head: row.get(7)?,
        body_cut,
    })
}

fn state(
    reading: &Reading<'_>,
    (seq, key): (i64, i64),
    endpoint: Option<&EndpointRecord>,
    attempts: &[Attempt],
) -> Result<DeliveryState, StoreError> {
    let connection = reading.connection;
    let hot = connection.find_row(
        "select d.claim is not null, d.lane, d.due_at, d.attempts, l.due_at, coalesce(l.failures, 0)
         from webhooks_delivery d left join webhooks_lane l on l.endpoint_key = d.endpoint_key
         where d.event_seq = ?1 and d.endpoint_key = ?2",
        [seq, key],
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
        [seq, key],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let stored = StoredDelivery {
        hot,
        ending,
        endpoint,
        attempts,
    };
    stored.state(reading.timeline)
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
    let count: i64 = connection.query_row("select count(*) from webhooks_delivery", [], |row| {
        row.get(0)
    })?;
    Ok(count.unsigned_abs())
}

/// How many deliveries have not been tried.
pub(super) fn count_untried(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection.query_row(
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
