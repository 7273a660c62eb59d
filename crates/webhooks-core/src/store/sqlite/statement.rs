//! Statements that SQLite compiles once for each connection, with errors of the store.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use super::error::store_error;
use crate::store::error::StoreError;

/// What a connection does with a statement.
pub(super) trait Statements {
    fn connection(&self) -> &Connection;

    fn prepared(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        self.connection().prepare_cached(sql).map_err(store_error)
    }

    /// Runs statements without parameters, which are not kept.
    fn run_batch(&self, statements: &str) -> Result<(), StoreError> {
        let done = self.connection().execute_batch(statements);
        done.map_err(store_error)
    }

    /// Runs a statement; returns how many rows it changed.
    fn run(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        self.prepared(sql)?.execute(values).map_err(store_error)
    }

    /// The first row of a query that has one.
    fn read_row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let row = self.prepared(sql)?.query_row(values, read);
        row.map_err(store_error)
    }

    /// The first row of a query, if there is one.
    fn find_row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let row = self.prepared(sql)?.query_row(values, read).optional();
        row.map_err(store_error)
    }

    /// Whether a query has a row.
    fn has_row(&self, sql: &str, values: impl Params) -> Result<bool, StoreError> {
        self.prepared(sql)?.exists(values).map_err(store_error)
    }

    /// All rows of a query.
    fn read_rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.read_rows_while(sql, values, read, |_| true)
    }

    /// The rows of a query before the first that is not `wanted`.
    fn read_rows_while<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepared(sql)?;
        let rows = statement.query_map(values, read).map_err(store_error)?;
        let rows = rows.take_while(|row| row.as_ref().map_or(true, &wanted));
        rows.collect::<Result<_, _>>().map_err(store_error)
    }
}

impl Statements for Connection {
    fn connection(&self) -> &Connection {
        self
    }
}
