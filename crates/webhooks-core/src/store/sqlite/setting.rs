//! Named numbers that the store keeps.

use rusqlite::{Connection, OptionalExtension, params};

use super::statement::Statements;
use crate::store::error::StoreError;

pub(crate) fn setting(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let value = connection
        .query_row(
            "select value from webhooks_setting where name = ?1",
            [name],
            |row| row.get(0),
        )
        .optional()?;
    Ok(value.unwrap_or_default())
}

pub(crate) fn store_setting(
    connection: &Connection,
    name: &str,
    value: i64,
) -> Result<(), StoreError> {
    connection.run(
        "insert into webhooks_setting (name, value) values (?1, ?2)
         on conflict (name) do update set value = excluded.value where value <> excluded.value",
        params![name, value],
    )?;
    Ok(())
}

pub(crate) fn store_offset(connection: &Connection, offset: i64) -> Result<(), StoreError> {
    store_setting(connection, "offset", offset)
}
