//! What the gauges show: read now and then, over everything that is pending.

use sqlx::Row;

use super::read::Reading;
use crate::{model::gauges::Gauges, store::error::StoreError};

pub(super) async fn read(reading: &mut Reading<'_>) -> Result<Gauges, StoreError> {
    let row = reading
        .query(
            "select count(*), min(owed_at), (select count(*) from webhooks.lane where failures > 0)
             from webhooks.delivery",
        )
        .fetch_one(reading.reader.connection)
        .await?;
    let (pending, in_trouble): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
    Ok(Gauges {
        pending: u32::try_from(pending).unwrap_or(u32::MAX),
        oldest_at: row.try_get(1)?,
        in_trouble: u32::try_from(in_trouble).unwrap_or(u32::MAX),
    })
}
