//! Deliveries that finished in the past, written with SQL: sending ten million would take the disk,
//! and weeks of the retention clock. The rows are those that the engine leaves behind after a
//! success: one event and one attempt.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::{
    event::{EVENT_TYPE, body},
    receiver::now_ns,
};

/// Rows per transaction.
const SLICE: usize = 50_000;
/// The age of the oldest: within the retention of 30 days.
const SPAN_MS: u64 = 25 * 24 * 3600 * 1000;
/// The response headers of a receiver like the benchmark's.
const HEADERS: &str = "date: Mon, 05 Oct 2026 08:00:00 GMT\n";

/// Adds `count` finished deliveries to all endpoints of the store in turn, spread over the last
/// [`SPAN_MS`]. The database must not be open elsewhere.
pub(crate) fn finished_deliveries(database: &Path, count: usize) -> anyhow::Result<()> {
    let mut connection = Connection::open(database)?;
    // A power cut would only cost the seed; the engine sets its own durability when it opens the
    // store.
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "cache_size", -256 * 1024)?;
    let endpoints: Vec<(i64, String)> = connection
        .prepare("select key, customer from webhooks_endpoint order by key")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    anyhow::ensure!(
        !endpoints.is_empty(),
        "the store has no endpoint for finished deliveries"
    );
    let now_ms = now_ns() / 1_000_000;
    let mut first = 0;
    while first < count {
        let end = (first + SLICE).min(count);
        let transaction = connection.transaction()?;
        {
            let mut event = transaction.prepare_cached(
                "insert into webhooks_event (id, customer, type, body, created_at) values (?1, ?2, ?3, ?4, ?5)",
            )?;
            let mut block = transaction.prepare_cached(
                "insert or ignore into webhooks_customer_block (customer, block) values (?1, ?2 / 64)",
            )?;
            let mut attempt = transaction.prepare_cached(
                "insert into webhooks_attempt
                 (event_seq, endpoint_key, number, at, duration_us, status, failure, detail, headers, body)
                 values (?1, ?2, 1, ?3, ?4, 204, null, null, ?5, x'')",
            )?;
            for number in first..end {
                let (key, customer) = &endpoints[number % endpoints.len()];
                let number = number as u64;
                // The id begins with the time, as in a UUID of version 7.
                let at = now_ms - SPAN_MS + SPAN_MS * number / count as u64;
                let high = at >> 16;
                let id = format!("{high:08x}-{:04x}-7000-8000-{number:012x}", at & 0xffff);
                let body = body(&id, number, at * 1_000_000);
                event.execute(params![
                    id,
                    customer,
                    EVENT_TYPE,
                    body.as_bytes(),
                    at.cast_signed()
                ])?;
                let seq = transaction.last_insert_rowid();
                block.execute(params![customer, seq])?;
                let duration_us = 300 + number.cast_signed() % 700;
                attempt.execute(params![seq, key, at.cast_signed(), duration_us, HEADERS])?;
            }
        }
        transaction.commit()?;
        first = end;
    }
    connection.execute_batch("pragma wal_checkpoint(truncate)")?;
    drop(connection);
    write_back(database)
}

/// Waits until a file is on disk: gigabytes that the system has yet to write would slow down every
/// commit of the next measurement.
pub(crate) fn write_back(database: &Path) -> anyhow::Result<()> {
    Ok(std::fs::File::open(database)?.sync_all()?)
}
