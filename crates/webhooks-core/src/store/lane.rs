//! Lanes, and moving deliveries between the store and memory: the due scan, refills, recovery.
//!
//! Everything here runs on the writer thread, so a lane cannot gain a row between the moment it
//! is found empty and the moment its endpoint leaves it.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    StoreError,
    act::ActContext,
    completion::store_ending,
    row::{ClaimedDelivery, StoredEvent},
};
use crate::{
    Ending, What,
    engine::{Outbox, Placement, RefillPlan, Shared},
};

/// Retries loaded by one scan: bounds how long it keeps the writer from sends.
const SCAN_ROWS: i64 = 256;
/// Deliveries of one lane that one transaction can expire.
const EXPIRE_ROWS: i64 = 1_000;

/// Adds a row to a lane: makes sure that the lane exists, and is tried no later than its backoff
/// allows. `wake` is the time for a lane that nothing in memory would come back to.
pub(crate) fn join(
    connection: &Connection,
    shared: &Shared,
    outbox: &Outbox,
    wake: Option<i64>,
) -> Result<(), StoreError> {
    let now = shared.timeline.now();
    let changed = connection
        .prepare_cached(
            "insert into lane (endpoint_key, due_at, backoff_until, failures) values (?1, ?2, 0, 0)
             on conflict (endpoint_key) do update set due_at = max(backoff_until, ?3)
             where (due_at is null and ?2 is not null) or due_at > max(backoff_until, ?3)",
        )?
        .execute(params![outbox.key(), wake, now])?;
    // A lane in trouble may have waited for the retry of another delivery, hours away.
    let sooner = changed > 0 && outbox.is_in_trouble();
    if let Some(at) = wake.or_else(|| sooner.then(|| outbox.backoff_until().max(now))) {
        shared.due_by(at);
    }
    Ok(())
}

/// Dates a lane after a failure: not before its backoff, nor before anything in it is due.
pub(crate) fn back_off(
    connection: &Connection,
    shared: &Shared,
    outbox: &Outbox,
    backoff_until: i64,
    failures: u32,
) -> rusqlite::Result<()> {
    let key = outbox.key();
    let first_due: Option<i64> = connection
        .prepare_cached(
            "select min(due_at) from delivery where endpoint_key = ?1 and claim is null and lane = 1",
        )?
        .query_row([key], |row| row.get(0))?;
    // An empty lane is dated too: when it is tried it finds that, and its endpoint leaves it.
    let due_at = outbox
        .is_active()
        .then(|| first_due.unwrap_or(backoff_until).max(backoff_until));
    connection
        .prepare_cached(
            "insert into lane (endpoint_key, due_at, backoff_until, failures) values (?1, ?2, ?3, ?4)
             on conflict (endpoint_key) do update
             set due_at = excluded.due_at, backoff_until = excluded.backoff_until, failures = excluded.failures",
        )?
        .execute(params![key, due_at, backoff_until, failures])?;
    if let Some(at) = due_at {
        shared.due_by(at);
    }
    Ok(())
}

/// Loads what is due: single retries and lanes. Returns when to come back.
pub(crate) fn scan(context: &mut ActContext<'_>) -> Result<Option<i64>, StoreError> {
    let now = context.shared.timeline.now();
    scan_retries(context, now)?;
    let places = context.shared.probe_places();
    let lanes: Vec<i64> = context
        .connection
        .prepare_cached(
            "select endpoint_key from lane where due_at <= ?1 order by due_at limit ?2",
        )?
        .query_map(
            params![now, i64::try_from(places).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )?
        .collect::<Result<_, _>>()?;
    for key in lanes {
        match find(context, key)? {
            Found::Outbox(outbox) => refill(context, &outbox)?,
            // Of an endpoint that was removed maintenance ends what the lane holds.
            Found::Removed | Found::Unreadable => set_due(context, key, None)?,
        }
    }
    next_due(context.connection)
}

/// The endpoint that something due belongs to.
enum Found {
    Outbox(Arc<Outbox>),
    Removed,
    /// What is stored of it is damaged. What it is owed is set aside until the next start, so
    /// that what others are owed is still found.
    Unreadable,
}

fn find(context: &mut ActContext<'_>, key: i64) -> Result<Found, StoreError> {
    match context.endpoints.by_key(context.connection, key) {
        Ok(Some(outbox)) => Ok(Found::Outbox(outbox)),
        Ok(None) => Ok(Found::Removed),
        Err(StoreError::Sealed(problem)) => {
            tracing::error!(
                endpoint.key = key,
                problem,
                "an endpoint cannot be read; what it is owed is kept until it can be, and looked at when the store is next opened"
            );
            Ok(Found::Unreadable)
        }
        Err(error) => Err(error),
    }
}

/// When the next retry or lane is due.
pub(crate) fn next_due(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let retry: Option<i64> = connection
        .prepare_cached("select min(due_at) from delivery where claim is null and lane = 0")?
        .query_row([], |row| row.get(0))?;
    let lane: Option<i64> = connection
        .prepare_cached("select min(due_at) from lane where due_at is not null")?
        .query_row([], |row| row.get(0))?;
    Ok([retry, lane].into_iter().flatten().min())
}

/// A delivery read from the hot table, its event beside it.
struct FoundRow {
    endpoint_key: i64,
    attempts: u32,
    number: u32,
    seq: i64,
    /// `None` when the event is gone.
    event: Option<(String, Bytes, i64)>,
}

impl FoundRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let id: Option<String> = row.get(4)?;
        let event = match id {
            Some(id) => Some((id, Bytes::from(row.get::<_, Vec<u8>>(5)?), row.get(6)?)),
            None => None,
        };
        Ok(Self {
            seq: row.get(0)?,
            endpoint_key: row.get(1)?,
            attempts: row.get(2)?,
            number: row.get(3)?,
            event,
        })
    }
}

fn scan_retries(context: &mut ActContext<'_>, now: i64) -> Result<(), StoreError> {
    // Uses the index delivery_due.
    let rows: Vec<FoundRow> = context
        .connection
        .prepare_cached(
            "select d.event_seq, d.endpoint_key, d.attempts, d.number, e.id, e.body, e.created_at
             from delivery d left join event e on e.seq = d.event_seq
             where d.claim is null and d.lane = 0 and d.due_at <= ?1
             order by d.due_at limit ?2",
        )?
        .query_map(params![now, SCAN_ROWS], FoundRow::read)?
        .collect::<Result<_, _>>()?;
    for row in rows {
        let outbox = match find(context, row.endpoint_key)? {
            Found::Outbox(outbox) => Some(outbox),
            Found::Removed => None,
            Found::Unreadable => {
                set_aside(context.connection, row.seq, row.endpoint_key)?;
                continue;
            }
        };
        let (Some(outbox), Some((id, body, _))) = (outbox, row.event) else {
            end(context, row.seq, row.endpoint_key, Ending::Removed, now)?;
            continue;
        };
        match outbox.place(context.shared, body.len()) {
            Placement::Refuse => end(context, row.seq, row.endpoint_key, Ending::Disabled, now)?,
            Placement::Lane { wake } => {
                context
                    .connection
                    .prepare_cached(
                        "update delivery set lane = 1 where event_seq = ?1 and endpoint_key = ?2",
                    )?
                    .execute([row.seq, row.endpoint_key])?;
                join(
                    context.connection,
                    context.shared,
                    &outbox,
                    wake.then_some(now),
                )?;
                context.commit.touched.push(outbox);
            }
            Placement::Memory { .. } => {
                let event = Arc::new(StoredEvent {
                    seq: row.seq,
                    id,
                    body,
                });
                claim(context, &outbox, &event, row.attempts, row.number, None)?;
            }
        }
    }
    Ok(())
}

/// Moves a retry of an endpoint that cannot be read to a lane that is not tried.
fn set_aside(connection: &Connection, seq: i64, key: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "insert into lane (endpoint_key, due_at, backoff_until, failures) values (?1, null, 0, 0)
             on conflict (endpoint_key) do update set due_at = null",
        )?
        .execute([key])?;
    connection
        .prepare_cached(
            "update delivery set lane = 1 where event_seq = ?1 and endpoint_key = ?2 and claim is null",
        )?
        .execute([seq, key])?;
    Ok(())
}

/// Marks a row as held by memory and hands it over after the commit.
fn claim(
    context: &mut ActContext<'_>,
    outbox: &Arc<Outbox>,
    event: &Arc<StoredEvent>,
    attempts: u32,
    number: u32,
    loaded_at: Option<u64>,
) -> Result<(), StoreError> {
    let claim = context.commit.claim();
    context
        .connection
        .prepare_cached(
            "update delivery set claim = ?3 where event_seq = ?1 and endpoint_key = ?2",
        )?
        .execute(params![event.seq, outbox.key(), claim])?;
    let row = ClaimedDelivery {
        event: Arc::clone(event),
        claim,
        attempts,
        number,
    };
    context.commit.hand_over(outbox, row, loaded_at);
    Ok(())
}

/// Takes an unclaimed row away and records why.
fn end(
    context: &mut ActContext<'_>,
    seq: i64,
    key: i64,
    ending: Ending,
    now: i64,
) -> Result<(), StoreError> {
    context
        .connection
        .prepare_cached("delete from delivery where event_seq = ?1 and endpoint_key = ?2")?
        .execute([seq, key])?;
    store_ending(context.connection, seq, key, ending, now)?;
    Ok(())
}

/// Loads the next rows of a lane into memory, or finds that the lane is at its end.
pub(crate) fn refill(context: &mut ActContext<'_>, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
    let refilled = load_rows(context, outbox);
    // Whatever came of it, another may be asked for.
    outbox.refill_ended();
    refilled
}

fn load_rows(context: &mut ActContext<'_>, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
    let now = context.shared.timeline.now();
    let key = outbox.key();
    let Some(plan) = outbox.plan_refill(context.shared) else {
        // Paused or disabled: it is resumed by a person.
        set_due(context, key, None)?;
        return Ok(());
    };
    context.commit.touched.push(Arc::clone(outbox));
    if plan.trouble && expire(context, outbox, now)? {
        // There may be more to expire before anything is worth a request.
        set_due(context, key, Some(now))?;
        context.shared.due_by(now);
        return Ok(());
    }
    let due_before = if plan.trouble { now } else { i64::MAX };
    // Uses the index delivery_lane, whose order is the commit order for ordered endpoints.
    let rows: Vec<FoundRow> = context
        .connection
        .prepare_cached(
            "select d.event_seq, d.endpoint_key, d.attempts, d.number, e.id, e.body, e.created_at
             from delivery d left join event e on e.seq = d.event_seq
             where d.endpoint_key = ?1 and d.claim is null and d.lane = 1 and d.due_at <= ?2
             order by d.due_at, d.event_seq limit ?3",
        )?
        .query_map(
            params![
                key,
                due_before,
                i64::try_from(plan.rows).unwrap_or(i64::MAX)
            ],
            FoundRow::read,
        )?
        .collect::<Result<_, _>>()?;
    let found = rows.len();
    let mut claimed = 0;
    for row in rows {
        let Some((id, body, _)) = row.event else {
            end(context, row.seq, key, Ending::Expired, now)?;
            continue;
        };
        claimed += 1;
        let event = Arc::new(StoredEvent {
            seq: row.seq,
            id,
            body,
        });
        outbox.expect(context.shared, event.body.len());
        let loaded_at = Some(plan.troubles);
        claim(context, outbox, &event, row.attempts, row.number, loaded_at)?;
    }
    if plan.trouble && found == 0 {
        return wait_or_leave(context, outbox, plan);
    }
    if !plan.trouble && found < plan.rows {
        // Everything that is owed is in memory now.
        return leave(context, outbox, plan);
    }
    if claimed == 0 {
        // Only rows whose events are gone: look again for others.
        context.shared.due_by(now);
        return set_due(context, key, Some(now));
    }
    set_due(context, key, None)
}

/// A lane in trouble with nothing due: wait for its next row, or leave when there is none.
fn wait_or_leave(
    context: &mut ActContext<'_>,
    outbox: &Arc<Outbox>,
    plan: RefillPlan,
) -> Result<(), StoreError> {
    let key = outbox.key();
    let first: Option<i64> = context
        .connection
        .prepare_cached(
            "select min(due_at) from delivery where endpoint_key = ?1 and claim is null and lane = 1",
        )?
        .query_row([key], |row| row.get(0))?;
    match first {
        Some(first) => {
            let due_at = first.max(outbox.backoff_until());
            set_due(context, key, Some(due_at))?;
            context.shared.due_by(due_at);
            Ok(())
        }
        None => leave(context, outbox, plan),
    }
}

fn leave(
    context: &mut ActContext<'_>,
    outbox: &Arc<Outbox>,
    plan: RefillPlan,
) -> Result<(), StoreError> {
    let Some(recovered) = outbox.leave_lane(plan) else {
        // Whatever failed dates the lane when its outcome is stored.
        return set_due(context, outbox.key(), None);
    };
    context
        .connection
        .prepare_cached("delete from lane where endpoint_key = ?1")?
        .execute([outbox.key()])?;
    if recovered && context.shared.has_readers() {
        context
            .commit
            .activities
            .push(outbox.endpoint().activity(None, What::EndpointRecovered));
    }
    Ok(())
}

fn set_due(context: &ActContext<'_>, key: i64, due_at: Option<i64>) -> Result<(), StoreError> {
    context
        .connection
        .prepare_cached("update lane set due_at = ?2 where endpoint_key = ?1")?
        .execute(params![key, due_at])?;
    Ok(())
}

/// Ends the deliveries of a lane that have waited longer than their schedule lasts. True when
/// there may be more of them.
fn expire(
    context: &mut ActContext<'_>,
    outbox: &Arc<Outbox>,
    now: i64,
) -> Result<bool, StoreError> {
    let key = outbox.key();
    let oldest = now - outbox.endpoint().expires_after_ms();
    // What a pause held back has waited, but not for an endpoint that failed all that time.
    if outbox.failing_since().is_none_or(|since| since > oldest) {
        return Ok(false);
    }
    // Rows of a lane are roughly in the order of their age; the first few tell whether to look.
    let rows: Vec<(i64, i64)> = context
        .connection
        .prepare_cached(
            "select d.event_seq, coalesce(e.created_at, 0)
             from delivery d left join event e on e.seq = d.event_seq
             where d.endpoint_key = ?1 and d.claim is null and d.lane = 1
             order by d.due_at, d.event_seq limit ?2",
        )?
        .query_map(params![key, EXPIRE_ROWS], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .take_while(|row| {
            row.as_ref()
                .map_or(true, |(_, created_at)| *created_at < oldest)
        })
        .collect::<Result<_, _>>()?;
    let expired = rows.len();
    for (seq, _) in rows {
        end(context, seq, key, Ending::Expired, now)?;
    }
    if expired > 0 {
        tracing::info!(
            endpoint.id = %outbox.endpoint().id,
            expired,
            "deliveries waited longer than their retry schedule lasts and were given up"
        );
    }
    Ok(i64::try_from(expired).is_ok_and(|expired| expired == EXPIRE_ROWS))
}

/// Takes over what a process before this one held: nothing is in flight any more.
pub(crate) fn recover(connection: &Connection, now: i64) -> rusqlite::Result<usize> {
    // A pass over the hot table only: what is done is not in it.
    connection.execute(
        "insert into lane (endpoint_key, due_at, backoff_until, failures)
         select distinct endpoint_key, ?1, 0, 0 from delivery where claim is not null and lane = 1
         on conflict (endpoint_key) do nothing",
        [now],
    )?;
    let held = connection.execute(
        "update delivery set claim = null, due_at = min(due_at, ?1) where claim is not null",
        [now],
    )?;
    connection.execute(
        "update lane set due_at = max(backoff_until, ?1)
         where due_at is null
           and endpoint_key in (select key from endpoint where state = 'active')",
        [now],
    )?;
    Ok(held)
}

/// When an endpoint's lane is next tried.
pub(crate) fn next_try(connection: &Connection, key: i64) -> rusqlite::Result<Option<i64>> {
    Ok(connection
        .prepare_cached("select due_at from lane where endpoint_key = ?1")?
        .query_row([key], |row| row.get::<_, Option<i64>>(0))
        .optional()?
        .flatten())
}
