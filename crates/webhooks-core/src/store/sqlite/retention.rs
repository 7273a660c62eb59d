//! What is deleted over time: events and attempts by age, and deliveries that were pending for disabled
//! endpoints. Always in bounded slices, so that a send never waits long.

use rusqlite::{Connection, params};

use super::{
    customer_events::Emptied, ending::store_ending, setting::store_setting, statement::Statements,
    sweep::Sweep, tx::Tx,
};
use crate::{delivery::EndReason, store::error::StoreError};

/// Rows of one table that one transaction deletes.
const SLICE_ROWS: i64 = 1_000;

/// How often the rows that a pass left are looked at again. A pass reads what it leaves, which can be a
/// million deliveries to endpoints that are down.
const PASS_EVERY_MS: i64 = 3_600_000;

/// One slice of each kind of maintenance. True if there is more to do.
pub(crate) fn maintain(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let now = tx.now();
    let retention = tx.host.retention;
    if now >= tx.sweep.next_pass_at {
        *tx.sweep = Sweep {
            next_pass_at: now + PASS_EVERY_MS,
            ..Sweep::default()
        };
    }
    let (connection, sweep) = (tx.connection, &mut *tx.sweep);
    let full = delete_attempts(connection, sweep, now - retention.attempts_ms)?
        | delete_events(connection, sweep, now - retention.events_ms)?
        | end_undeliverable(tx, now)?;
    drop_expired_secrets(tx, now)?;
    note_reached(tx.connection, now)?;
    Ok(full)
}

/// Ends the pending deliveries of endpoints that were disabled or removed.
fn end_undeliverable(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    let connection = tx.connection;
    // Lanes are few; an endpoint that is disabled or removed has one if anything is pending for it.
    let lane: Option<(i64, String)> = connection.find_row(
        "select l.endpoint_key, coalesce(e.state, 'removed') from webhooks_lane l
         left join webhooks_endpoint e on e.key = l.endpoint_key
         where e.key is null or e.state in ('disabled', 'removed') limit 1",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let Some((key, state)) = lane else {
        return Ok(false);
    };
    let ending = if state == "disabled" {
        EndReason::Disabled
    } else {
        EndReason::Removed
    };
    let seqs: Vec<i64> = connection.read_rows(
        "select event_seq from webhooks_delivery where endpoint_key = ?1 and claim is null and lane = 1 limit ?2",
        params![key, SLICE_ROWS],
        |row| row.get(0),
    )?;
    for seq in &seqs {
        connection.run(
            "delete from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2",
            params![seq, key],
        )?;
        store_ending(connection, (*seq, key), ending, now)?;
    }
    if seqs.is_empty() {
        connection.run("delete from webhooks_lane where endpoint_key = ?1", [key])?;
    }
    // There may be other such lanes, or more rows in this one.
    Ok(true)
}

/// Deletes attempts by age, even those before younger ones of an old event that was sent again.
fn delete_attempts(
    connection: &Connection,
    sweep: &mut Sweep,
    before: i64,
) -> Result<bool, StoreError> {
    let (seq, key, number) = sweep.attempt;
    // Events of that age or older; a younger event has no attempt older than itself.
    let end = first_since(connection, before)?.unwrap_or(i64::MAX);
    let rows: Vec<(i64, i64, i64, i64)> = connection.read_rows(
        "select event_seq, endpoint_key, number, at from webhooks_attempt
         where (event_seq, endpoint_key, number) > (?1, ?2, ?3) and event_seq < ?4
         order by event_seq, endpoint_key, number limit ?5",
        params![seq, key, number, end, SLICE_ROWS],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    for (seq, key, number, at) in &rows {
        if *at < before {
            connection.run(
                "delete from webhooks_attempt where event_seq = ?1 and endpoint_key = ?2 and number = ?3",
                [seq, key, number],
            )?;
        }
        sweep.attempt = (*seq, *key, *number);
    }
    Ok(is_slice(rows.len()))
}

fn delete_events(
    connection: &Connection,
    sweep: &mut Sweep,
    before: i64,
) -> Result<bool, StoreError> {
    let old: Vec<(i64, i64)> = connection.read_rows_while(
        "select seq, created_at from webhooks_event where seq > ?1 order by seq limit ?2",
        params![sweep.event, SLICE_ROWS],
        |row| Ok((row.get(0)?, row.get(1)?)),
        |(_, created_at)| *created_at < before,
    )?;
    let mut full = is_slice(old.len());
    let mut endings = 0;
    let mut emptied = Emptied::default();
    for (index, (seq, _)) in old.iter().enumerate() {
        // An event that is still pending stays, and is looked at again by the next pass.
        let customer: Option<String> = connection.find_row(
            "delete from webhooks_event where seq = ?1
             and not exists (select 1 from webhooks_delivery where event_seq = ?1)
             returning customer",
            [seq],
            |row| row.get(0),
        )?;
        if let Some(customer) = customer {
            emptied.note(customer, *seq);
            endings += connection.run("delete from webhooks_ending where event_seq = ?1", [seq])?;
        }
        sweep.event = *seq;
        // At worst an event has an ending for each of many endpoints.
        if is_slice(endings) {
            full = index + 1 < old.len();
            break;
        }
    }
    emptied.forget(connection)?;
    Ok(full)
}

fn is_slice(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= SLICE_ROWS)
}

/// One subquery each: SQLite finds the least or the greatest at once, but reads the whole table when asked
/// for both together.
const FIRST_AND_LAST: &str = "select coalesce((select min(seq) from webhooks_event), 1),
    coalesce((select max(seq) from webhooks_event), 0)";

/// The first and the last event that are kept: 1 and 0 if there is none.
fn first_and_last(connection: &Connection) -> Result<(i64, i64), StoreError> {
    connection.read_row(FIRST_AND_LAST, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The first event at or after a time; `None` if there is none. Events are stored in the order of time,
/// so a binary search finds it.
pub(crate) fn first_since(connection: &Connection, since: i64) -> Result<Option<i64>, StoreError> {
    let (mut low, last) = first_and_last(connection)?;
    let mut high = last + 1;
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<i64> = connection.find_row(
            "select created_at from webhooks_event where seq >= ?1 order by seq limit 1",
            [middle],
            |row| row.get(0),
        )?;
        if found.is_some_and(|created_at| created_at < since) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok((low <= last).then_some(low))
}

/// The last event that left any record; its attempts may be kept for longer than the event itself.
pub(crate) fn last_event(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "select max(
             (select coalesce(max(seq), 0) from webhooks_event),
             (select coalesce(max(event_seq), 0) from webhooks_delivery),
             (select coalesce(max(event_seq), 0) from webhooks_attempt),
             (select coalesce(max(event_seq), 0) from webhooks_ending))",
        [],
        |row| row.get(0),
    )
}

/// Deletes secrets whose grace period after a rotation is over.
fn drop_expired_secrets(tx: &mut Tx<'_>, now: i64) -> Result<(), StoreError> {
    let keys: Vec<i64> = tx.connection.read_rows(
        "delete from webhooks_endpoint_secret where expires_at <= ?1 returning endpoint_key",
        [now],
        |row| row.get(0),
    )?;
    for key in keys {
        tx.endpoints.reload(tx.connection, key)?;
    }
    Ok(())
}

/// Keeps the timeline from restarting before a time that it had reached.
fn note_reached(connection: &Connection, now: i64) -> Result<(), StoreError> {
    store_setting(connection, "reached", now)
}

/// Stores where the timeline stands, so that the next start continues from there.
pub(crate) fn note_stop(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    note_reached(tx.connection, tx.now())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn the_first_and_the_last_event_are_found_without_reading_the_others() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "create table webhooks_event (seq integer primary key);
                 insert into webhooks_event values (7), (8), (9);",
            )
            .unwrap();
        assert_eq!(first_and_last(&connection).unwrap(), (7, 9));
        let statement = connection.prepare_cached(FIRST_AND_LAST).unwrap();
        assert_eq!(statement.get_status(StatementStatus::FullscanStep), 0);
        drop(statement);
        connection
            .execute("delete from webhooks_event", [])
            .unwrap();
        assert_eq!(first_and_last(&connection).unwrap(), (1, 0));
    }
}
