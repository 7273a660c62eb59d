//! The due scan: loads retries and lanes whose time has come. Runs on the writer thread.

use rusqlite::{Connection, params};

use super::{
    lane::{Occasion, claim, end, join, leave_untried, refill, set_due},
    row::FoundRow,
    statement::Statements,
    tx::Tx,
};
use crate::{
    delivery::EndReason,
    outbox::placing::Placement,
    store::{
        ask::NextDue,
        due::{Found, LANES_A_SCAN, PROBES_A_SCAN, SCAN_ROWS},
        error::StoreError,
    },
};

/// Loads what is due: single retries and lanes, but no more than `probes` lanes in trouble. Returns
/// when to come back.
pub(crate) fn scan(tx: &mut Tx<'_>, probes: usize) -> Result<NextDue, StoreError> {
    let now = tx.now();
    scan_retries(tx, now)?;
    // Two classes, each with an index: endpoints that hang can occupy every place for probes for as
    // long as they like, and lanes of healthy ones that a restart found must not wait behind them.
    let healthy = due_lanes(
        tx.connection,
        "select endpoint_key from webhooks_lane where failures = 0 and due_at <= ?1 order by due_at limit ?2",
        now,
        LANES_A_SCAN,
    )?;
    let in_trouble = due_lanes(
        tx.connection,
        "select endpoint_key from webhooks_lane where failures > 0 and due_at <= ?1 order by due_at limit ?2",
        now,
        probes.min(PROBES_A_SCAN),
    )?;
    for key in healthy.into_iter().chain(in_trouble) {
        match find(tx, key)? {
            Found::Outbox(outbox) => refill(tx, &outbox, Occasion::Due)?,
            // Maintenance ends what the lane of a removed endpoint holds.
            Found::Removed | Found::Unreadable => set_due(tx, key, None)?,
        }
    }
    next_due(tx.connection)
}

fn due_lanes(
    connection: &Connection,
    select: &str,
    now: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection.read_rows(select, params![now, limit], |row| row.get(0))
}

fn find(tx: &mut Tx<'_>, key: i64) -> Result<Found, StoreError> {
    Found::of(key, tx.endpoints.by_key(tx.connection, key))
}

/// When the next retry or lane is due.
pub(crate) fn next_due(connection: &Connection) -> Result<NextDue, StoreError> {
    let in_trouble: Option<i64> = connection.read_row(
        "select min(due_at) from webhooks_lane where failures > 0 and due_at is not null",
        [],
        |row| row.get(0),
    )?;
    Ok(NextDue {
        healthy: next_due_of_healthy(connection)?,
        in_trouble,
    })
}

/// When the next single retry, or lane of an endpoint that is not in trouble, is due.
pub(crate) fn next_due_of_healthy(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let retry: Option<i64> = connection.read_row(
        "select min(due_at) from webhooks_delivery where claim is null and lane = 0",
        [],
        |row| row.get(0),
    )?;
    let lane: Option<i64> = connection.read_row(
        "select min(due_at) from webhooks_lane where failures = 0 and due_at is not null",
        [],
        |row| row.get(0),
    )?;
    Ok(retry.into_iter().chain(lane).min())
}

fn scan_retries(tx: &mut Tx<'_>, now: i64) -> Result<(), StoreError> {
    // Uses the index delivery_due.
    let rows: Vec<FoundRow> = tx.connection.read_rows(
        "select d.event_seq, d.endpoint_key, d.attempts, d.number, e.id, e.body, e.traceparent
         from webhooks_delivery d left join webhooks_event e on e.seq = d.event_seq
         where d.claim is null and d.lane = 0 and d.due_at <= ?1
         order by d.due_at limit ?2",
        params![now, SCAN_ROWS],
        FoundRow::read,
    )?;
    for mut row in rows {
        let outbox = match find(tx, row.endpoint_key)? {
            Found::Outbox(outbox) => Some(outbox),
            Found::Removed => None,
            Found::Unreadable => {
                set_aside(tx.connection, row.seq, row.endpoint_key)?;
                continue;
            }
        };
        let (Some(outbox), Some(event)) = (outbox, row.event.take()) else {
            end(tx, (row.seq, row.endpoint_key), EndReason::Removed)?;
            continue;
        };
        match outbox.place(event.body.len()) {
            Placement::Refuse => end(tx, (row.seq, row.endpoint_key), EndReason::Disabled)?,
            Placement::Lane { wake } => {
                tx.connection.run(
                    "update webhooks_delivery set lane = 1 where event_seq = ?1 and endpoint_key = ?2",
                    [row.seq, row.endpoint_key],
                )?;
                join(tx, &outbox, wake.then_some(now))?;
                tx.commit.touched.push(outbox);
            }
            Placement::Memory { retreats, .. } => {
                claim(tx, &outbox, (&row, event), retreats)?;
            }
        }
    }
    Ok(())
}

/// Moves a retry of an endpoint that cannot be read to a lane that is not tried.
fn set_aside(connection: &Connection, seq: i64, key: i64) -> Result<(), StoreError> {
    leave_untried(connection, key)?;
    connection.run(
        "update webhooks_delivery set lane = 1 where event_seq = ?1 and endpoint_key = ?2 and claim is null",
        [seq, key],
    )?;
    Ok(())
}
