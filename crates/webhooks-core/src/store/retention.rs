//! What is deleted in time: events and attempts by age, and what disabled endpoints are no
//! longer owed. Always in bounded slices, so that a send never waits long.

use rusqlite::{Connection, OptionalExtension, params};

use super::{StoreError, act::ActContext, completion::store_ending};
use crate::Ending;

/// Rows of one table that one transaction deletes.
const SLICE_ROWS: i64 = 1_000;

/// How long what is done is kept, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) events_ms: i64,
    pub(crate) attempts_ms: i64,
}

/// One slice of each kind of maintenance. True when there is more to do.
pub(crate) fn maintain(context: &mut ActContext<'_>) -> Result<bool, StoreError> {
    let now = context.shared.timeline.now();
    let retention = context.shared.retention;
    let full = end_undeliverable(context, now)?
        | delete_attempts(context.connection, now - retention.attempts_ms)?
        | delete_events(context.connection, now - retention.events_ms)?;
    drop_expired_secrets(context, now)?;
    note_reached(context.connection, now)?;
    Ok(full)
}

/// Ends what is owed to endpoints that were disabled or removed.
fn end_undeliverable(context: &mut ActContext<'_>, now: i64) -> Result<bool, StoreError> {
    let connection = context.connection;
    // Lanes are few; an endpoint that is disabled or removed has one when it is owed anything.
    let lane: Option<(i64, String)> = connection
        .prepare_cached(
            "select l.endpoint_key, coalesce(e.state, 'removed') from lane l
             left join endpoint e on e.key = l.endpoint_key
             where e.key is null or e.state in ('disabled', 'removed') limit 1",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((key, state)) = lane else {
        return Ok(false);
    };
    let ending = if state == "disabled" {
        Ending::Disabled
    } else {
        Ending::Removed
    };
    let seqs: Vec<i64> = connection
        .prepare_cached(
            "select event_seq from delivery where endpoint_key = ?1 and claim is null and lane = 1 limit ?2",
        )?
        .query_map(params![key, SLICE_ROWS], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for seq in &seqs {
        connection
            .prepare_cached("delete from delivery where event_seq = ?1 and endpoint_key = ?2")?
            .execute(params![seq, key])?;
        store_ending(connection, *seq, key, ending, now)?;
    }
    if seqs.is_empty() {
        connection
            .prepare_cached("delete from lane where endpoint_key = ?1")?
            .execute([key])?;
    }
    // There may be other such lanes, or more rows in this one.
    Ok(true)
}

fn delete_attempts(connection: &Connection, before: i64) -> Result<bool, StoreError> {
    // The primary key begins with the event's place in commit order, which is the order of age.
    let oldest: Option<(i64, i64)> = connection
        .prepare_cached("select event_seq, at from attempt order by event_seq limit 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((first, at)) = oldest else {
        return Ok(false);
    };
    if at >= before {
        return Ok(false);
    }
    let deleted = connection
        .prepare_cached(
            "delete from attempt where event_seq >= ?1 and event_seq < ?1 + ?2 and at < ?3",
        )?
        .execute(params![first, SLICE_ROWS, before])?;
    Ok(deleted > 0)
}

fn delete_events(connection: &Connection, before: i64) -> Result<bool, StoreError> {
    let seqs: Vec<(i64, i64)> = connection
        .prepare_cached("select seq, created_at from event order by seq limit ?1")?
        .query_map([SLICE_ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?
        .take_while(|row| {
            row.as_ref()
                .map_or(true, |(_, created_at)| *created_at < before)
        })
        .collect::<Result<_, _>>()?;
    let mut deleted = 0;
    for (seq, _) in &seqs {
        // An event that is still owed stays; a delivery expires long before.
        deleted += connection
            .prepare_cached(
                "delete from event where seq = ?1
                 and not exists (select 1 from delivery where event_seq = ?1)",
            )?
            .execute([seq])?;
        connection
            .prepare_cached(
                "delete from ending where event_seq = ?1
                 and not exists (select 1 from event where seq = ?1)",
            )?
            .execute([seq])?;
    }
    Ok(deleted > 0)
}

/// Secrets whose grace after a rotation is over.
fn drop_expired_secrets(context: &mut ActContext<'_>, now: i64) -> Result<(), StoreError> {
    let keys: Vec<i64> = context
        .connection
        .prepare_cached(
            "delete from endpoint_secret where expires_at <= ?1 returning endpoint_key",
        )?
        .query_map([now], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for key in keys {
        context.endpoints.reload(context.connection, key)?;
    }
    Ok(())
}

/// Keeps the timeline from starting again before a time it had reached.
fn note_reached(connection: &Connection, now: i64) -> Result<(), StoreError> {
    store_setting(connection, "reached", now)
}

/// Keeps where the timeline stands, so that the next start goes on from there even when the wall
/// clock jumped since it was last looked at.
pub(crate) fn note_stop(context: &mut ActContext<'_>) -> Result<(), StoreError> {
    let timeline = &context.shared.timeline;
    if timeline.follow_wall().is_some() {
        store_offset(context.connection, timeline.offset())?;
    }
    note_reached(context.connection, timeline.now())
}

pub(crate) fn store_offset(connection: &Connection, offset: i64) -> Result<(), StoreError> {
    store_setting(connection, "offset", offset)
}

pub(crate) fn store_setting(
    connection: &Connection,
    name: &str,
    value: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "insert into setting (name, value) values (?1, ?2)
             on conflict (name) do update set value = excluded.value where value <> excluded.value",
        )?
        .execute(params![name, value])?;
    Ok(())
}

pub(crate) fn setting(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let value = connection
        .query_row("select value from setting where name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(value.unwrap_or_default())
}
