//! Which events are a customer's, so that one who has few is answered at once beside one who has
//! millions.
//!
//! The index says which blocks of [`BLOCK`] events have one of a customer's. Sends do not keep it: a
//! row at each customer's place would touch as many pages in a commit as there are customers in it. It
//! is extended behind them, many events at a time; what it does not hold yet is looked through, and is
//! never much more than [`INDEX_ROWS`] unless a file of an older version was just opened.

use std::collections::BTreeSet;

use rusqlite::{Connection, Params, params};

use super::{StoreError, retention};

/// Events that are indexed in one transaction: a few milliseconds of the writer's time.
pub(crate) const INDEX_ROWS: i64 = 2_048;

/// Events of a block: so many are read to find the one of a customer who sends seldom. A customer who
/// sends often has a row for so many.
const BLOCK: i64 = 64;

/// The setting that says up to which event the index goes.
const INDEXED: &str = "indexed";

/// Takes the next events into the index. True when there are more.
pub(crate) fn extend(connection: &Connection) -> Result<bool, StoreError> {
    let (first, last) = retention::first_and_last(connection)?;
    let from = retention::setting(connection, INDEXED)?.max(first - 1);
    if from >= last {
        return Ok(false);
    }
    let to = last.min(from + INDEX_ROWS);
    connection
        .prepare_cached(
            "insert or ignore into webhooks_customer_block (customer, block)
             select distinct customer, seq / ?3 from webhooks_event where seq > ?1 and seq <= ?2",
        )?
        .execute([from, to, BLOCK])?;
    retention::store_setting(connection, INDEXED, to)?;
    Ok(to < last)
}

/// The blocks of events that retention took away, by customer.
#[derive(Default)]
pub(super) struct Emptied(BTreeSet<(String, i64)>);

impl Emptied {
    pub(super) fn note(&mut self, customer: String, seq: i64) {
        self.0.insert((customer, seq / BLOCK));
    }

    /// Forgets those in which the customer has no event any more.
    pub(super) fn forget(self, connection: &Connection) -> Result<(), StoreError> {
        let mut delete = connection.prepare_cached(
            "delete from webhooks_customer_block where customer = ?1 and block = ?2 and not exists (
                 select 1 from webhooks_event
                 where seq >= ?2 * ?3 and seq < (?2 + 1) * ?3 and customer = ?1)",
        )?;
        for (customer, block) in self.0 {
            delete.execute(params![customer, block, BLOCK])?;
        }
        Ok(())
    }
}

/// At most `limit` of a customer's events after `after`, in the order of commits.
pub(super) fn after(
    connection: &Connection,
    customer: &str,
    after: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let indexed = retention::setting(connection, INDEXED)?;
    let mut seqs = select(
        connection,
        "select seq from webhooks_customer_block b join webhooks_event e
         on seq >= max(block * ?4, ?2 + 1) and seq < min((block + 1) * ?4, ?3 + 1)
         where b.customer = ?1 and block >= ?2 / ?4 and e.customer = ?1 order by block, seq limit ?5",
        params![customer, after, indexed, BLOCK, limit_of(limit)],
    )?;
    let rest = limit - seqs.len();
    seqs.extend(select(
        connection,
        "select seq from webhooks_event where seq > ?2 and customer = ?1 order by seq limit ?3",
        params![customer, after.max(indexed), limit_of(rest)],
    )?);
    Ok(seqs)
}

/// At most `limit` of a customer's events before `before`, the newest first.
pub(super) fn before(
    connection: &Connection,
    customer: &str,
    before: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let indexed = retention::setting(connection, INDEXED)?;
    let mut seqs = select(
        connection,
        "select seq from webhooks_event where seq > ?2 and seq < ?3 and customer = ?1
         order by seq desc limit ?4",
        params![customer, indexed, before, limit_of(limit)],
    )?;
    let rest = limit - seqs.len();
    seqs.extend(select(
        connection,
        "select seq from webhooks_customer_block b join webhooks_event e
         on seq >= block * ?4 and seq < min((block + 1) * ?4, ?2, ?3 + 1)
         where b.customer = ?1 and block <= ?2 / ?4 and e.customer = ?1
         order by block desc, seq desc limit ?5",
        params![customer, before, indexed, BLOCK, limit_of(rest)],
    )?);
    Ok(seqs)
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn select(
    connection: &Connection,
    select: &str,
    params: impl Params,
) -> Result<Vec<i64>, StoreError> {
    let seqs = connection
        .prepare_cached(select)?
        .query_map(params, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(seqs)
}
