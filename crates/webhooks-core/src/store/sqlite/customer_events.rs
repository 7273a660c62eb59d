//! Which events are a customer's, so that a customer with few events is answered at once even if another
//! has millions.
//!
//! The index says which blocks of [`BLOCK`] events contain one of a customer's: a customer with many events
//! costs at most one row per block, and finding a single event of a quiet customer reads one block.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{Connection, params};

use super::statement::Statements;
use crate::store::error::StoreError;

/// Events in a block; the migration to version 6 uses the same number.
const BLOCK: i64 = 64;

/// The customers who are in the index for the newest block: at most [`BLOCK`].
#[derive(Default)]
pub(super) struct NewestBlock {
    block: i64,
    customers: HashSet<String>,
}

impl NewestBlock {
    /// Adds a stored event to the index.
    pub(super) fn note(
        &mut self,
        connection: &Connection,
        customer: &str,
        seq: i64,
    ) -> Result<(), StoreError> {
        let block = seq / BLOCK;
        if block != self.block {
            self.block = block;
            self.customers.clear();
        } else if self.customers.contains(customer) {
            return Ok(());
        }
        connection.run(
            "insert or ignore into webhooks_customer_block (customer, block) values (?1, ?2)",
            params![customer, block],
        )?;
        self.customers.insert(customer.to_owned());
        Ok(())
    }
}

/// The blocks of events that retention deleted, by customer.
#[derive(Default)]
pub(super) struct Emptied(BTreeSet<(String, i64)>);

impl Emptied {
    pub(super) fn note(&mut self, customer: String, seq: i64) {
        self.0.insert((customer, seq / BLOCK));
    }

    /// Removes from the index those in which the customer has no event any more.
    pub(super) fn forget(self, connection: &Connection) -> Result<(), StoreError> {
        for (customer, block) in self.0 {
            connection.run(
                "delete from webhooks_customer_block where customer = ?1 and block = ?2 and not exists (
                     select 1 from webhooks_event
                     where seq >= ?2 * ?3 and seq < (?2 + 1) * ?3 and customer = ?1)",
                params![customer, block, BLOCK],
            )?;
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
    select(
        connection,
        "select seq from webhooks_customer_block b join webhooks_event e
         on seq >= max(block * ?3, ?2 + 1) and seq < (block + 1) * ?3
         where b.customer = ?1 and block >= ?2 / ?3 and e.customer = ?1
         order by block, seq limit ?4",
        (customer, after),
        limit,
    )
}

/// At most `limit` of a customer's events before `before`, the newest first.
pub(super) fn before(
    connection: &Connection,
    customer: &str,
    before: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    select(
        connection,
        "select seq from webhooks_customer_block b join webhooks_event e
         on seq >= block * ?3 and seq < min((block + 1) * ?3, ?2)
         where b.customer = ?1 and block <= ?2 / ?3 and e.customer = ?1
         order by block desc, seq desc limit ?4",
        (customer, before),
        limit,
    )
}

fn select(
    connection: &Connection,
    select: &str,
    (customer, from): (&str, i64),
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection.read_rows(select, params![customer, from, BLOCK, limit], |row| {
        row.get(0)
    })
}
