//! Reading: events, deliveries and what became of them.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::{FromRow, Row, postgres::PgRow};

use super::{
    endpoints::{self, Selection},
    row::Reader,
    session::Statement,
};
use crate::{
    clock::Timeline,
    delivery::{Delivery, Explanation},
    event::EventRecord,
    model::{
        delivery::{DeliveryOf, StoredEvent},
        endpoint::EndpointRecord,
    },
    store::{
        attempt_row::AttemptRow,
        delivery_state::{HotRow, LaneRow, StoredDelivery},
        endpoint_row::EndpointReader,
        error::StoreError,
    },
};

/// What a query is answered from.
pub(super) struct Reading<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) timeline: &'a Timeline,
    pub(super) endpoints: &'a EndpointReader,
}

impl Reading<'_> {
    /// A statement of this schema.
    pub(super) fn query(&self, statement: &'static str) -> Statement {
        self.reader.query(statement)
    }

    pub(super) async fn endpoints(
        &mut self,
        selection: Selection<'_>,
    ) -> Result<Vec<EndpointRecord>, StoreError> {
        endpoints::read(self.endpoints, &mut self.reader, selection).await
    }
}

/// An event that was found by its id.
pub(super) struct FoundEvent {
    pub(super) row: EventRow,
    pub(super) body: Bytes,
    traceparent: Option<String>,
}

impl FromRow<'_, PgRow> for FoundEvent {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            row: EventRow::from_row(row)?,
            body: row.try_get::<Vec<u8>, _>(5)?.into(),
            traceparent: row.try_get(6)?,
        })
    }
}

impl FoundEvent {
    /// The day of its partition, and what a sender needs.
    pub(super) fn into_stored(self) -> (i32, StoredEvent) {
        let event = StoredEvent {
            seq: self.row.seq,
            id: self.row.id,
            body: self.body,
            traceparent: self.traceparent,
        };
        (self.row.day, event)
    }
}

/// A customer's event. Its id does not tell its partition, but each partition has an index, and they are few.
pub(super) async fn find_event(
    reader: &mut Reader<'_>,
    customer: &str,
    id: &str,
) -> Result<Option<FoundEvent>, StoreError> {
    reader
        .query(
            // `|| ''` keeps the planner from an index by customer, which would find all events of the customer.
            "select seq, day, id, type, created_at, body, traceparent from webhooks.event
             where id = $1 and customer || '' = $2 limit 1",
        )
        .bind(id)
        .bind(customer)
        .find_row(reader.connection)
        .await
}

/// An event with its body.
pub(super) async fn event_record(
    reading: &mut Reading<'_>,
    customer: &str,
    id: &str,
) -> Result<Option<EventRecord>, StoreError> {
    let found = find_event(&mut reading.reader, customer, id).await?;
    Ok(found.map(|FoundEvent { row, body, .. }| EventRecord {
        id: row.id,
        event_type: row.event_type,
        created_at: reading.timeline.to_wall(row.created_at),
        body: body.into(),
    }))
}

/// The event of a delivery, as it is listed.
pub(super) struct EventRow {
    pub(super) seq: i64,
    /// The day of its partition.
    pub(super) day: i32,
    id: String,
    pub(super) event_type: String,
    created_at: i64,
}

impl FromRow<'_, PgRow> for EventRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            seq: row.try_get(0)?,
            day: row.try_get(1)?,
            id: row.try_get(2)?,
            event_type: row.try_get(3)?,
            created_at: row.try_get(4)?,
        })
    }
}

/// Every delivery of an event, in the order its endpoints were added.
pub(super) async fn deliveries_of_event(
    reading: &mut Reading<'_>,
    customer: &str,
    event_id: &str,
) -> Result<Vec<Delivery>, StoreError> {
    let Some(found) = find_event(&mut reading.reader, customer, event_id).await? else {
        return Ok(Vec::new());
    };
    let event = found.row;
    let keys: Vec<i64> = reading
        .query(
            "select endpoint_key from webhooks.delivery where event_seq = $1
             union select endpoint_key from webhooks.attempt where event_seq = $1 and day >= $2
             union select endpoint_key from webhooks.ending where event_seq = $1 and day >= $2
             order by 1",
        )
        .bind(event.seq)
        .bind(event.day)
        .read_values(reading.reader.connection)
        .await?;
    let found = reading.endpoints(Selection::Keys(&keys)).await?;
    let found: HashMap<i64, &EndpointRecord> = found
        .iter()
        .map(|endpoint| (endpoint.key, endpoint))
        .collect();
    let mut deliveries = Vec::with_capacity(keys.len());
    for key in keys {
        deliveries.push(delivery(reading, &event, key, found.get(&key).copied()).await?);
    }
    Ok(deliveries)
}

pub(super) async fn delivery(
    reading: &mut Reading<'_>,
    event: &EventRow,
    key: i64,
    endpoint: Option<&EndpointRecord>,
) -> Result<Delivery, StoreError> {
    let attempts: Vec<AttemptRow> = reading
        .query(
            "select number, at, duration_us, status, failure, detail, headers, body from webhooks.attempt
             where event_seq = $1 and endpoint_key = $2 and day >= $3 order by number, at",
        )
        .bind(event.seq)
        .bind(key)
        .bind(event.day)
        .read_rows(reading.reader.connection)
        .await?;
    let hot: Option<HotRow> = reading
        .query(
            "select d.claim is not null, d.lane, d.due_at, d.attempts, l.due_at, l.failures
             from webhooks.delivery d left join webhooks.lane l on l.endpoint_key = d.endpoint_key
             where d.event_seq = $1 and d.endpoint_key = $2",
        )
        .bind(event.seq)
        .bind(key)
        .find_row(reading.reader.connection)
        .await?;
    let ending = if hot.is_some() {
        None
    } else {
        reading
            .query(
                // Not by the index on endpoints, which contains all endings of this endpoint.
                "select reason, at from webhooks.ending
                 where event_seq = $1 and endpoint_key + 0 = $2 and day >= $3 order by at desc limit 1",
            )
            .bind(event.seq)
            .bind(key)
            .bind(event.day)
            .find_row(reading.reader.connection)
            .await?
    };
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

impl FromRow<'_, PgRow> for HotRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let attempts: i32 = row.try_get(3)?;
        let failures: Option<i32> = row.try_get(5)?;
        Ok(Self {
            is_claimed: row.try_get(0)?,
            in_lane: row.try_get(1)?,
            due_at: row.try_get(2)?,
            attempts: attempts.unsigned_abs(),
            lane: LaneRow {
                next_try: row.try_get(4)?,
                failures: failures.unwrap_or_default().unsigned_abs(),
            },
        })
    }
}

impl FromRow<'_, PgRow> for AttemptRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let number: i32 = row.try_get(0)?;
        let status: Option<i32> = row.try_get(3)?;
        Ok(Self {
            number: number.unsigned_abs(),
            at: row.try_get(1)?,
            duration_us: row.try_get(2)?,
            status: status.and_then(|status| u16::try_from(status).ok()),
            failure: row.try_get(4)?,
            detail: row.try_get(5)?,
            headers: row.try_get(6)?,
            body_head: row.try_get(7)?,
        })
    }
}

/// Why an event did not arrive at an endpoint, or that it did.
pub(super) async fn explain(
    reading: &mut Reading<'_>,
    of: &DeliveryOf,
) -> Result<Explanation, StoreError> {
    let found = find_event(&mut reading.reader, &of.endpoint.customer, &of.event_id).await?;
    let Some(event) = found.map(|found| found.row) else {
        return Ok(Explanation::NoSuchEvent);
    };
    let endpoint = reading.endpoints(Selection::Of(&of.endpoint)).await?.pop();
    let Some(endpoint) = endpoint else {
        return Ok(Explanation::NoSuchEndpoint);
    };
    match delivery(reading, &event, endpoint.key, Some(&endpoint)).await {
        Ok(delivery) => return Ok(Explanation::Delivery(Box::new(delivery))),
        Err(StoreError::Gone) => {}
        Err(error) => return Err(error),
    }
    Ok(endpoint.without_delivery(event.event_type, event.created_at, reading.timeline))
}

/// How many deliveries are stored and not done.
pub(super) async fn count_pending(reading: &mut Reading<'_>) -> Result<u64, StoreError> {
    count(reading, "select count(*) from webhooks.delivery").await
}

/// How many deliveries have not been tried.
pub(super) async fn count_untried(reading: &mut Reading<'_>) -> Result<u64, StoreError> {
    count(
        reading,
        "select count(*) from webhooks.delivery where number = 0",
    )
    .await
}

async fn count(reading: &mut Reading<'_>, select: &'static str) -> Result<u64, StoreError> {
    let count: i64 = reading
        .query(select)
        .read_value(reading.reader.connection)
        .await?;
    Ok(count.unsigned_abs())
}
