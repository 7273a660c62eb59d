//! Pages of an endpoint's deliveries, with cursors.

use super::read::{EventRow, Reading, delivery};
use crate::{
    delivery::Delivery,
    model::{
        endpoint::EndpointRecord,
        page::{DeliveryFilter, DeliveryPage, LOOKED_THROUGH, PageCursor, PageOf},
    },
    store::error::StoreError,
};

/// A page of an endpoint's deliveries.
pub(super) async fn page(
    reading: &mut Reading<'_>,
    endpoint: &EndpointRecord,
    page: PageOf,
) -> Result<DeliveryPage, StoreError> {
    let (cursor, limit) = (page.cursor, page.limit());
    let full = |found| PageCursor::full(found, limit);
    let (positions, cursor) = match page.listing {
        DeliveryFilter::All => all(reading, endpoint, cursor, limit).await?,
        DeliveryFilter::Pending => full(pending(reading, endpoint, cursor, limit).await?),
        DeliveryFilter::Ended => full(newest(ENDED, reading, endpoint, (cursor, limit)).await?),
        DeliveryFilter::Failed => full(newest(FAILED, reading, endpoint, (cursor, limit)).await?),
    };
    Ok(DeliveryPage {
        deliveries: hydrate(reading, endpoint, &positions).await?,
        cursor,
    })
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Uses the index ending_endpoint of each partition.
const ENDED: &str = "
    select at, event_seq from webhooks.ending where endpoint_key = $1 and (at, event_seq) < ($2, $3)
    order by at desc, event_seq desc limit $4";
/// Uses the index attempt_failed of each partition.
const FAILED: &str = "
    select max(at), event_seq from webhooks.attempt
    where endpoint_key = $1 and failure is not null
    group by event_seq having (max(at), event_seq) < ($2, $3)
    order by 1 desc, 2 desc limit $4";

async fn newest(
    select: &'static str,
    reading: &mut Reading<'_>,
    endpoint: &EndpointRecord,
    (cursor, limit): (Option<PageCursor>, usize),
) -> Result<Vec<PageCursor>, StoreError> {
    let from = cursor.unwrap_or(PageCursor::NEWEST);
    let found: Vec<(i64, i64)> = reading
        .query(select)
        .bind(endpoint.key)
        .bind(from.at)
        .bind(from.seq)
        .bind(rows(limit))
        .read_rows(reading.reader.connection)
        .await?;
    let positions = found.into_iter().map(|(at, seq)| PageCursor { at, seq });
    Ok(positions.collect())
}

/// The query uses a range of pairs instead of `customer = $1 and seq < $3 order by seq`, because that can be
/// planned as a scan of all customers' events, in the order of their numbers, if the statistics know few customers.
async fn all(
    reading: &mut Reading<'_>,
    endpoint: &EndpointRecord,
    cursor: Option<PageCursor>,
    limit: usize,
) -> Result<(Vec<PageCursor>, Option<PageCursor>), StoreError> {
    let from = cursor.map_or(i64::MAX, |cursor| cursor.seq);
    let found: Vec<(i64, bool)> = reading
        .query(
            "select e.seq,
                    exists (select 1 from webhooks.attempt a where a.event_seq = e.seq and a.endpoint_key = $2 and a.day >= e.day)
                 or exists (select 1 from webhooks.delivery d where d.event_seq = e.seq and d.endpoint_key = $2)
                 or exists (select 1 from webhooks.ending x where x.event_seq = e.seq and x.endpoint_key + 0 = $2 and x.day >= e.day)
             from webhooks.event e where (e.customer, e.seq) < ($1, $3) and e.customer >= $1
             order by e.customer desc, e.seq desc limit $4",
        )
        .bind(&*endpoint.customer)
        .bind(endpoint.key)
        .bind(from)
        .bind(rows(LOOKED_THROUGH))
        .read_rows(reading.reader.connection)
        .await?;
    let mut positions = Vec::new();
    let mut last = None;
    for &(seq, is_on_record) in &found {
        last = Some(PageCursor::of_event(seq));
        if is_on_record {
            positions.push(PageCursor::of_event(seq));
        }
        if positions.len() == limit {
            return Ok(PageCursor::full(positions, limit));
        }
    }
    Ok((positions, last.filter(|_| found.len() == LOOKED_THROUGH)))
}

/// Pending deliveries have no index by endpoint, which every delivery would pay for twice. For a customer
/// with few events, those are looked through; otherwise the pending deliveries of all customers.
async fn pending(
    reading: &mut Reading<'_>,
    endpoint: &EndpointRecord,
    cursor: Option<PageCursor>,
    limit: usize,
) -> Result<Vec<PageCursor>, StoreError> {
    let after = cursor.map_or(-1, |cursor| cursor.seq);
    let found: Vec<(i64, bool)> = reading
        .query(
            "select seq,
                    exists (select 1 from webhooks.delivery d where d.event_seq = e.seq and d.endpoint_key = $2)
             from (select seq from webhooks.event where (customer, seq) > ($1, $3) and customer <= $1
                   order by customer, seq limit $4) e
             order by seq",
        )
        .bind(&*endpoint.customer)
        .bind(endpoint.key)
        .bind(after)
        .bind(rows(LOOKED_THROUGH))
        .read_rows(reading.reader.connection)
        .await?;
    let seqs: Vec<i64> = if found.len() < LOOKED_THROUGH {
        let pending = found.into_iter().filter(|(_, is_pending)| *is_pending);
        pending.map(|(seq, _)| seq).take(limit).collect()
    } else {
        reading
            .query(
                "select event_seq from webhooks.delivery where endpoint_key = $1 and event_seq > $2
                 order by event_seq limit $3",
            )
            .bind(endpoint.key)
            .bind(after)
            .bind(rows(limit))
            .read_values(reading.reader.connection)
            .await?
    };
    Ok(seqs.into_iter().map(PageCursor::of_event).collect())
}

async fn hydrate(
    reading: &mut Reading<'_>,
    endpoint: &EndpointRecord,
    positions: &[PageCursor],
) -> Result<Vec<Delivery>, StoreError> {
    let seqs: Vec<i64> = positions.iter().map(|position| position.seq).collect();
    let events: Vec<EventRow> = reading
        .query(
            "select seq, day, id, type, created_at from webhooks.event
             where seq = any($1) order by array_position($1, seq)",
        )
        .bind(&seqs)
        .read_rows(reading.reader.connection)
        .await?;
    let mut deliveries = Vec::with_capacity(events.len());
    for event in &events {
        deliveries.push(delivery(reading, event, endpoint.key, Some(endpoint)).await?);
    }
    Ok(deliveries)
}
