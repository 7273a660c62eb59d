//! Which events are a customer's, so that one who has few is answered at once beside one who has
//! millions.
//!
//! Sends do not keep this index: an entry for each event at its customer's place would touch as many
//! pages in a commit as there are customers in it. It is extended behind them, many events at a time
//! and sorted; what it does not hold yet is looked through, and is never much more than
//! [`INDEX_ROWS`] unless a file of an older version was just opened.

use rusqlite::{Connection, params};

use super::{StoreError, retention};

/// Events that are indexed in one transaction: a few milliseconds of the writer's time.
pub(crate) const INDEX_ROWS: i64 = 2_048;

/// The setting that says up to which event the index goes.
const INDEXED: &str = "indexed";

/// Takes the next events into the index. True when there are more.
pub(crate) fn extend(connection: &Connection) -> Result<bool, StoreError> {
    let (first, last): (i64, i64) = connection
        .prepare_cached("select coalesce(min(seq), 1), coalesce(max(seq), 0) from webhooks_event")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let from = retention::setting(connection, INDEXED)?.max(first - 1);
    if from >= last {
        return Ok(false);
    }
    let to = last.min(from + INDEX_ROWS);
    connection
        .prepare_cached(
            "insert into webhooks_customer_event (customer, event_seq)
             select customer, seq from webhooks_event where seq > ?1 and seq <= ?2
             order by customer, seq",
        )?
        .execute([from, to])?;
    retention::store_setting(connection, INDEXED, to)?;
    Ok(to < last)
}

/// Forgets an event that retention took away.
pub(super) fn forget(connection: &Connection, customer: &str, seq: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "delete from webhooks_customer_event where customer = ?1 and event_seq = ?2",
        )?
        .execute(params![customer, seq])?;
    Ok(())
}

/// At most `limit` of a customer's events after `after`, in the order of commits.
pub(super) fn after(
    connection: &Connection,
    customer: &str,
    after: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    select(connection, AFTER, (customer, after), limit)
}

/// At most `limit` of a customer's events before `before`, the newest first.
pub(super) fn before(
    connection: &Connection,
    customer: &str,
    before: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    select(connection, BEFORE, (customer, before), limit)
}

/// Both are merges of two ranges that are in order: the index, and what it does not hold yet.
const AFTER: &str = "
    select event_seq from webhooks_customer_event where customer = ?1 and event_seq > ?2
    union all
    select seq from webhooks_event
    where seq > max(?2, coalesce((select value from webhooks_setting where name = 'indexed'), 0))
      and customer = ?1
    order by 1 limit ?3";
const BEFORE: &str = "
    select event_seq from webhooks_customer_event where customer = ?1 and event_seq < ?2
    union all
    select seq from webhooks_event
    where seq > coalesce((select value from webhooks_setting where name = 'indexed'), 0)
      and seq < ?2 and customer = ?1
    order by 1 desc limit ?3";

fn select(
    connection: &Connection,
    select: &str,
    (customer, from): (&str, i64),
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let seqs = connection
        .prepare_cached(select)?
        .query_map(params![customer, from, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(seqs)
}
