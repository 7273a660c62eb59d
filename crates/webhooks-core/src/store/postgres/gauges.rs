//! What the gauges show: read now and then, over everything that is pending.

use super::read::Reading;
use crate::{model::gauges::Gauges, store::error::StoreError};

pub(super) async fn read(reading: &mut Reading<'_>) -> Result<Gauges, StoreError> {
    let (pending, oldest_at, in_trouble): (i64, _, i64) = reading
        .query(
            "select count(*), min(owed_at), (select count(*) from webhooks.lane where failures > 0)
             from webhooks.delivery",
        )
        .read_row(reading.reader.connection)
        .await?;
    Ok(Gauges {
        pending: u32::try_from(pending).unwrap_or(u32::MAX),
        oldest_at,
        in_trouble: u32::try_from(in_trouble).unwrap_or(u32::MAX),
    })
}
