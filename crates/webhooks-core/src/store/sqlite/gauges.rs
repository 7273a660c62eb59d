//! What the gauges show: read now and then, over everything that is pending.

use rusqlite::Connection;

use crate::{model::gauges::Gauges, store::error::StoreError};

pub(super) fn read(connection: &Connection) -> Result<Gauges, StoreError> {
    let (pending, oldest_at) = connection
        .prepare_cached("select count(*), min(owed_at) from webhooks_delivery")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let in_trouble = connection
        .prepare_cached("select count(*) from webhooks_lane where failures > 0")?
        .query_row([], |row| row.get(0))?;
    Ok(Gauges {
        pending,
        oldest_at,
        in_trouble,
    })
}
