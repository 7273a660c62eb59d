//! Statements that SQLite compiles once for each connection, with errors of the store.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::store::error::StoreError;

/// What a connection does with a statement.
pub(super) trait Statements {
    fn connection(&self) -> &Connection;

    /// Runs a statement; returns how many rows it changed.
    fn run(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        Ok(self.connection().prepare_cached(sql)?.execute(values)?)
    }

    /// The first row of a query that has one.
    fn read_row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut statement = self.connection().prepare_cached(sql)?;
        Ok(statement.query_row(values, read)?)
    }

    /// The first row of a query, if there is one.
    fn find_row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection().prepare_cached(sql)?;
        Ok(statement.query_row(values, read).optional()?)
    }

    /// All rows of a query.
    fn read_rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection().prepare_cached(sql)?;
        let rows = statement.query_map(values, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Statements for Connection {
    fn connection(&self) -> &Connection {
        self
    }
}
