//! Reading: connections of their own, so that a look never waits for the writer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Semaphore;

use super::{endpoints::EndpointReader, lane, schema};
use crate::{
    attempt::{Attempt, BodyCut, Failure, Outcome},
    delivery::{Delivery, DeliveryState, Ending, Explanation, Held},
    endpoint::{EndpointId, EndpointState, wants},
    engine::{Shared, due::act},
    event::EventRecord,
    model::{endpoint::EndpointRecord, outcome::header_pairs},
    store::error::StoreError,
};

/// Reads that may run at once.
const READERS_MAX: usize = 4;

/// The connections that only read. A database in memory has one connection, the writer's.
pub(crate) struct Readers {
    file: Option<PathBuf>,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
    /// After a stop no connection is kept: the last to close takes the write-ahead log with it.
    closed: AtomicBool,
    pub(crate) endpoints: EndpointReader,
}

impl Readers {
    pub(crate) fn new(file: Option<PathBuf>, endpoints: EndpointReader) -> Self {
        Self {
            file,
            idle: Mutex::default(),
            places: Semaphore::new(READERS_MAX),
            closed: AtomicBool::new(false),
            endpoints,
        }
    }

    /// The database file; `None` for one in memory.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Runs `work` on a connection, away from the async threads.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(file) = self.file.clone() else {
            return act(shared, move |context| work(context.connection)).await;
        };
        let _place = self
            .places
            .acquire()
            .await
            .map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let idle = readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let connection = match idle {
                Some(connection) => connection,
                None => schema::open_reader(&file)?,
            };
            let result = work(&connection);
            let mut idle = readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if !readers.closed.load(Ordering::Acquire) {
                idle.push(connection);
            }
            drop(idle);
            result
        });
        read.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Closes the connections that are not reading.
    pub(crate) fn close(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        idle.clear();
    }
}

/// The event a question is about.
pub(super) struct EventRow {
    pub(super) seq: i64,
    pub(super) event_type: String,
    pub(super) created_at: i64,
}

fn event(
    connection: &Connection,
    customer: &str,
    id: &str,
) -> Result<Option<EventRow>, StoreError> {
    Ok(connection
        .prepare_cached(
            "select seq, type, created_at from webhooks_event where id = ?1 and customer = ?2",
        )?
        .query_row([id, customer], |row| {
            Ok(EventRow {
                seq: row.get(0)?,
                event_type: row.get(1)?,
                created_at: row.get(2)?,
            })
        })
        .optional()?)
}

/// An event with its body.
pub(crate) fn event_record(
    connection: &Connection,
    shared: &Shared,
    customer: &str,
    id: &str,
) -> Result<Option<EventRecord>, StoreError> {
    Ok(connection
        .prepare_cached(
            "select id, type, created_at, body from webhooks_event where id = ?1 and customer = ?2",
        )?
        .query_row([id, customer], |row| {
            Ok(EventRecord {
                id: row.get(0)?,
                event_type: row.get(1)?,
                created_at: shared.timeline.to_wall(row.get(2)?),
                body: row.get(3)?,
            })
        })
        .optional()?)
}

/// Every delivery of an event, in the order its endpoints were added.
pub(crate) fn deliveries_of_event(
    connection: &Connection,
    shared: &Shared,
    endpoints: &EndpointReader,
    customer: &str,
    event_id: &str,
) -> Result<Vec<Delivery>, StoreError> {
    let Some(event) = event(connection, customer, event_id)? else {
        return Ok(Vec::new());
    };
    let keys: Vec<i64> = connection
        .prepare_cached(
            "select endpoint_key from webhooks_delivery where event_seq = ?1
             union select endpoint_key from webhooks_attempt where event_seq = ?1
             union select endpoint_key from webhooks_ending where event_seq = ?1
             order by 1",
        )?
        .query_map([event.seq], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut deliveries = Vec::with_capacity(keys.len());
    for key in keys {
        let endpoint = endpoints.read(connection, "key = ?1", params![key])?.pop();
        deliveries.push(delivery(
            connection,
            shared,
            event_id,
            &event,
            key,
            endpoint.as_ref(),
        )?);
    }
    Ok(deliveries)
}

pub(super) fn delivery(
    connection: &Connection,
    shared: &Shared,
    event_id: &str,
    event: &EventRow,
    key: i64,
    endpoint: Option<&EndpointRecord>,
) -> Result<Delivery, StoreError> {
    let attempts: Vec<Attempt> = connection
        .prepare_cached(
            "select number, at, duration_us, status, failure, detail, headers, body from webhooks_attempt
             where event_seq = ?1 and endpoint_key = ?2 order by number",
        )?
        .query_and_then([event.seq, key], |row| read_attempt(shared, row))?
        .collect::<Result<_, _>>()?;
    let state = state(connection, shared, event.seq, key, endpoint, &attempts)?;
    Ok(Delivery {
        event_id: event_id.to_owned(),
        event_type: event.event_type.clone(),
        created_at: shared.timeline.to_wall(event.created_at),
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

fn read_attempt(shared: &Shared, row: &Row<'_>) -> Result<Attempt, StoreError> {
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
        at: shared.timeline.to_wall(row.get(1)?),
        duration: std::time::Duration::from_micros(duration_us.unsigned_abs()),
        outcome,
        status,
        headers: header_pairs(&headers),
        body_head: row.get(7)?,
        body_cut,
    })
}

/// The hot row tells first; then how it ended; then that an attempt succeeded.
fn state(
    connection: &Connection,
    shared: &Shared,
    seq: i64,
    key: i64,
    endpoint: Option<&EndpointRecord>,
    attempts: &[Attempt],
) -> Result<DeliveryState, StoreError> {
    let hot: Option<(Option<i64>, bool, i64, u32)> = connection
        .prepare_cached(
            "select claim, lane, due_at, attempts from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2",
        )?
        .query_row([seq, key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    if let Some((claim, in_lane, due_at, made)) = hot {
        let wall = |at: i64| shared.timeline.to_wall(at);
        if claim.is_some() {
            return Ok(DeliveryState::InFlight);
        }
        if !in_lane {
            return Ok(DeliveryState::Waiting {
                due_at: wall(due_at),
            });
        }
        if endpoint.is_some_and(|endpoint| endpoint.state == EndpointState::Paused) {
            return Ok(DeliveryState::Held {
                reason: Held::Paused,
                next_try: None,
            });
        }
        let next_try = lane::next_try(connection, key)?;
        // One of an ordered endpoint has no date of its own.
        if made > 0 && (next_try.is_some() || due_at > 0) {
            // It was tried itself: it waits for its own next attempt.
            let due_at = next_try.map_or(due_at, |next| next.max(due_at));
            return Ok(DeliveryState::Waiting {
                due_at: wall(due_at),
            });
        }
        let failures: u32 = connection
            .prepare_cached("select failures from webhooks_lane where endpoint_key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?
            .unwrap_or_default();
        let reason = match (
            failures > 0,
            endpoint.is_some_and(|endpoint| endpoint.ordered),
        ) {
            (true, true) => Held::BehindHead,
            (true, false) => Held::Trouble,
            (false, _) => Held::Backlog,
        };
        return Ok(DeliveryState::Held {
            reason,
            next_try: next_try.map(wall),
        });
    }
    let delivered = attempts
        .iter()
        .find(|attempt| attempt.outcome == Outcome::Success);
    if let Some(attempt) = delivered {
        return Ok(DeliveryState::Delivered {
            at: attempt.at + attempt.duration,
        });
    }
    let ending: Option<(String, i64)> = connection
        .prepare_cached(
            "select reason, at from webhooks_ending where event_seq = ?1 and endpoint_key = ?2",
        )?
        .query_row([seq, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (reason, at) = ending.ok_or(StoreError::Gone)?;
    let known = Ending::from_stored(&reason)
        .ok_or_else(|| StoreError::Damaged(format!("why a delivery ended: {reason:?}")))?;
    Ok(DeliveryState::Ended {
        reason: known,
        at: shared.timeline.to_wall(at),
    })
}

/// Why an event did not arrive at an endpoint, or that it did.
pub(crate) fn explain(
    connection: &Connection,
    shared: &Shared,
    endpoints: &EndpointReader,
    customer: &str,
    event_id: &str,
    endpoint_id: &EndpointId,
) -> Result<Explanation, StoreError> {
    let Some(event) = event(connection, customer, event_id)? else {
        return Ok(Explanation::NoSuchEvent);
    };
    let endpoint = endpoints
        .read(
            connection,
            "id = ?1 and customer = ?2",
            params![endpoint_id.as_str(), customer],
        )?
        .pop();
    let Some(endpoint) = endpoint else {
        return Ok(Explanation::NoSuchEndpoint);
    };
    match delivery(
        connection,
        shared,
        event_id,
        &event,
        endpoint.key,
        Some(&endpoint),
    ) {
        Ok(delivery) => return Ok(Explanation::Delivery(Box::new(delivery))),
        Err(StoreError::Gone) => {}
        Err(error) => return Err(error),
    }
    // In the same millisecond too: had it been there, it would have been owed what it wants.
    let wanted = wants(&endpoint.event_types, &event.event_type);
    if endpoint.created_at > event.created_at || wanted && endpoint.created_at == event.created_at {
        return Ok(Explanation::AddedLater {
            event_at: shared.timeline.to_wall(event.created_at),
            endpoint_at: shared.timeline.to_wall(endpoint.created_at),
        });
    }
    if !wanted {
        return Ok(Explanation::Filtered {
            event_type: event.event_type,
            wanted: endpoint.event_types,
        });
    }
    Ok(Explanation::NotOnRecord)
}

/// How much is owed to whom: for `shutdown`'s report and for health pages.
pub(crate) fn count_owed(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection.query_row("select count(*) from webhooks_delivery", [], |row| {
        row.get(0)
    })?;
    Ok(count.unsigned_abs())
}

/// How many deliveries have not been tried.
pub(crate) fn count_untried(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection.query_row(
        "select count(*) from webhooks_delivery where number = 0",
        [],
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}

/// One page of a customer's endpoints.
pub(crate) fn endpoints_of(
    connection: &Connection,
    endpoints: &EndpointReader,
    customer: &str,
) -> Result<Vec<EndpointRecord>, StoreError> {
    endpoints.read(
        connection,
        "customer = ?1 and state <> 'removed'",
        params![customer],
    )
}
