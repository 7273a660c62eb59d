//! Pages of an endpoint's deliveries, with cursors.

use rusqlite::{Connection, params};

use super::{
    customer_events,
    read::{EventRow, Reading, delivery},
    statement::Statements,
};
use crate::{
    delivery::Delivery,
    model::{
        endpoint::EndpointRecord,
        page::{DeliveryFilter, DeliveryPage, LOOKED_THROUGH, PageCursor, PageOf},
    },
    store::error::StoreError,
};

/// A page of an endpoint's deliveries.
pub(super) fn page(
    reading: &Reading<'_>,
    endpoint: &EndpointRecord,
    page: PageOf,
) -> Result<DeliveryPage, StoreError> {
    let connection = reading.connection;
    let (cursor, limit) = (page.cursor, page.limit());
    let full = |found| PageCursor::full(found, limit);
    let (positions, cursor) = match page.listing {
        DeliveryFilter::All => all(connection, endpoint, cursor, limit)?,
        DeliveryFilter::Pending => full(pending(connection, endpoint, cursor, limit)?),
        DeliveryFilter::Ended => full(newest(ENDED, connection, endpoint, (cursor, limit))?),
        DeliveryFilter::Failed => full(newest(FAILED, connection, endpoint, (cursor, limit))?),
    };
    Ok(DeliveryPage {
        deliveries: hydrate(reading, endpoint, &positions)?,
        cursor,
    })
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Uses the index webhooks_ending_endpoint.
const ENDED: &str = "
    select at, event_seq from webhooks_ending where endpoint_key = ?1 and (at, event_seq) < (?2, ?3)
    order by at desc, event_seq desc limit ?4";
/// Uses the index webhooks_attempt_failed.
const FAILED: &str = "
    select max(at), event_seq from webhooks_attempt
    where endpoint_key = ?1 and failure is not null
    group by event_seq having (max(at), event_seq) < (?2, ?3)
    order by 1 desc, 2 desc limit ?4";

fn newest(
    select: &str,
    connection: &Connection,
    endpoint: &EndpointRecord,
    (cursor, limit): (Option<PageCursor>, usize),
) -> Result<Vec<PageCursor>, StoreError> {
    let from = cursor.unwrap_or(PageCursor::NEWEST);
    connection.read_rows(
        select,
        params![endpoint.key, from.at, from.seq, rows(limit)],
        |row| {
            Ok(PageCursor {
                at: row.get(0)?,
                seq: row.get(1)?,
            })
        },
    )
}

fn all(
    connection: &Connection,
    endpoint: &EndpointRecord,
    cursor: Option<PageCursor>,
    limit: usize,
) -> Result<(Vec<PageCursor>, Option<PageCursor>), StoreError> {
    let from = cursor.map_or(i64::MAX, |cursor| cursor.seq);
    let seqs = customer_events::before(connection, &endpoint.customer, from, LOOKED_THROUGH)?;
    let mut positions = Vec::new();
    for seq in &seqs {
        let is_on_record = connection.has_row(
            "select 1 where exists (select 1 from webhooks_attempt where event_seq = ?1 and endpoint_key = ?2)
                 or exists (select 1 from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2)
                 or exists (select 1 from webhooks_ending where event_seq = ?1 and endpoint_key = ?2)",
            [*seq, endpoint.key],
        )?;
        if is_on_record {
            positions.push(PageCursor::of_event(*seq));
        }
        if positions.len() == limit {
            return Ok(PageCursor::full(positions, limit));
        }
    }
    let cursor = seqs.last().filter(|_| seqs.len() == LOOKED_THROUGH);
    Ok((positions, cursor.copied().map(PageCursor::of_event)))
}

/// Pending deliveries have no index by endpoint, which every delivery would pay for twice. For a customer
/// with few events, those are looked through; otherwise the pending deliveries of all customers.
fn pending(
    connection: &Connection,
    endpoint: &EndpointRecord,
    cursor: Option<PageCursor>,
    limit: usize,
) -> Result<Vec<PageCursor>, StoreError> {
    let after = cursor.map_or(-1, |cursor| cursor.seq);
    let seqs = customer_events::after(connection, &endpoint.customer, after, LOOKED_THROUGH)?;
    let mut found = Vec::new();
    if seqs.len() < LOOKED_THROUGH {
        for seq in seqs {
            let is_pending =
                "select 1 from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2";
            if found.len() < limit && connection.has_row(is_pending, [seq, endpoint.key])? {
                found.push(seq);
            }
        }
    } else {
        found = connection.read_rows(
            "select event_seq from webhooks_delivery where endpoint_key = ?1 and event_seq > ?2
             order by event_seq limit ?3",
            params![endpoint.key, after, rows(limit)],
            |row| row.get(0),
        )?;
    }
    Ok(found.into_iter().map(PageCursor::of_event).collect())
}

fn hydrate(
    reading: &Reading<'_>,
    endpoint: &EndpointRecord,
    positions: &[PageCursor],
) -> Result<Vec<Delivery>, StoreError> {
    let mut deliveries = Vec::with_capacity(positions.len());
    for position in positions {
        let event = reading.connection.find_row(
            "select seq, id, type, created_at from webhooks_event where seq = ?1",
            [position.seq],
            EventRow::read,
        )?;
        // An event that retention deleted between the two queries is left out.
        if let Some(event) = event {
            deliveries.push(delivery(reading, &event, endpoint.key, Some(endpoint))?);
        }
    }
    Ok(deliveries)
}
