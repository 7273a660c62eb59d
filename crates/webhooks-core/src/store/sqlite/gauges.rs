//! What the gauges show: read now and then, over everything that is pending.

use rusqlite::Connection;

use super::statement::Statements;
use crate::{model::gauges::Gauges, store::error::StoreError};

pub(super) fn read(connection: &Connection) -> Result<Gauges, StoreError> {
    let (pending, oldest_at) = connection.read_row(
        "select count(*), min(owed_at) from webhooks_delivery",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let in_trouble = connection.read_row(
        "select count(*) from webhooks_lane where failures > 0",
        [],
        |row| row.get(0),
    )?;
    Ok(Gauges {
        pending,
        oldest_at,
        in_trouble,
    })
}
