//! Pages of an endpoint's deliveries, with cursors.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    StoreError,
    read::{EventRow, delivery},
};
use crate::{
    Delivery,
    engine::{EndpointRecord, Shared},
};

/// What of an endpoint's deliveries to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing {
    /// What is owed, the oldest first.
    Owed,
    /// What ended without a success, the newest first.
    Ended,
    /// What has an attempt that failed, the newest failure first.
    Failed,
    /// Everything on record, the newest event first. Events of the customer are looked through
    /// in slices: a page can be short, or empty, and still have a cursor.
    All,
}

/// A page of deliveries.
#[derive(Debug, Clone)]
pub struct Page {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// Give it to the next call; `None` at the end.
    pub cursor: Option<Cursor>,
}

/// Where a listing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    at: i64,
    seq: i64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at, self.seq)
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('-')
            .and_then(|(at, seq)| Some((at.parse().ok()?, seq.parse().ok()?)));
        let (at, seq) = parsed
            .ok_or_else(|| format!("{text:?} is not a cursor; use the one of the page before"))?;
        Ok(Self { at, seq })
    }
}

/// Most deliveries on one page.
pub const PAGE_MAX: usize = 500;
/// Attempts looked through for one page of [`Listing::All`].
const LOOKED_THROUGH: i64 = 20_000;

/// A page of an endpoint's deliveries.
pub(crate) fn page(
    connection: &Connection,
    shared: &Shared,
    endpoint: &EndpointRecord,
    listing: Listing,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, StoreError> {
    let limit = limit.clamp(1, PAGE_MAX);
    let rows = i64::try_from(limit).unwrap_or(1);
    let key = endpoint.key;
    let positions: Vec<Cursor> = {
        let (sql, from) = match listing {
            Listing::Owed => (
                "select 0, event_seq from webhooks_delivery where endpoint_key = ?1 and event_seq > ?3 and ?2 = 0
                 order by event_seq limit ?4",
                cursor.unwrap_or(Cursor { at: 0, seq: -1 }),
            ),
            Listing::Ended => (
                "select at, event_seq from webhooks_ending where endpoint_key = ?1 and (at, event_seq) < (?2, ?3)
                 order by at desc, event_seq desc limit ?4",
                cursor.unwrap_or(Cursor { at: i64::MAX, seq: i64::MAX }),
            ),
            Listing::Failed => (
                "select max(at), event_seq from webhooks_attempt
                 where endpoint_key = ?1 and failure is not null
                 group by event_seq having (max(at), event_seq) < (?2, ?3)
                 order by 1 desc, 2 desc limit ?4",
                cursor.unwrap_or(Cursor { at: i64::MAX, seq: i64::MAX }),
            ),
            Listing::All => (
                "select 0, event_seq from (
                     select event_seq from webhooks_attempt
                     where event_seq < ?3 and event_seq >= ?3 - ?5 and endpoint_key = ?1
                     union select event_seq from webhooks_delivery
                     where event_seq < ?3 and event_seq >= ?3 - ?5 and endpoint_key = ?1
                     union select event_seq from webhooks_ending
                     where event_seq < ?3 and event_seq >= ?3 - ?5 and endpoint_key = ?1)
                 where ?2 = 0 order by event_seq desc limit ?4",
                cursor.unwrap_or(Cursor { at: 0, seq: last_seq(connection)? + 1 }),
            ),
        };
        let found = connection
            .prepare_cached(&format!("select * from ({sql}) where ?5 > 0"))?
            .query_map(
                params![key, from.at, from.seq, rows, LOOKED_THROUGH],
                |row| {
                    Ok(Cursor {
                        at: row.get(0)?,
                        seq: row.get(1)?,
                    })
                },
            )?
            .collect::<Result<Vec<_>, _>>()?;
        if listing == Listing::All && found.len() < limit {
            // Nothing more in this slice; the next page begins below it.
            let below = from.seq - LOOKED_THROUGH;
            let deliveries = hydrate(connection, shared, endpoint, &found)?;
            let cursor = (below > 0).then_some(Cursor { at: 0, seq: below });
            return Ok(Page { deliveries, cursor });
        }
        found
    };
    let cursor = if positions.len() == limit {
        positions.last().copied()
    } else {
        None
    };
    Ok(Page {
        deliveries: hydrate(connection, shared, endpoint, &positions)?,
        cursor,
    })
}

fn last_seq(connection: &Connection) -> Result<i64, StoreError> {
    let last: Option<i64> =
        connection.query_row("select max(seq) from webhooks_event", [], |row| row.get(0))?;
    Ok(last.unwrap_or_default())
}

fn hydrate(
    connection: &Connection,
    shared: &Shared,
    endpoint: &EndpointRecord,
    positions: &[Cursor],
) -> Result<Vec<Delivery>, StoreError> {
    let mut deliveries = Vec::with_capacity(positions.len());
    for position in positions {
        let event: Option<(String, EventRow)> = connection
            .prepare_cached("select id, seq, type, created_at from webhooks_event where seq = ?1")?
            .query_row([position.seq], |row| {
                let event = EventRow {
                    seq: row.get(1)?,
                    event_type: row.get(2)?,
                    created_at: row.get(3)?,
                };
                Ok((row.get(0)?, event))
            })
            .optional()?;
        // An event that retention took away between the two looks is left out.
        if let Some((id, event)) = event {
            deliveries.push(delivery(
                connection,
                shared,
                &id,
                &event,
                endpoint.key,
                Some(endpoint),
            )?);
        }
    }
    Ok(deliveries)
}
