//! Why a delivery is no longer tried.

use rusqlite::{Connection, params};

use super::statement::Statements;
use crate::{delivery::EndReason, store::error::StoreError};

/// Records why the delivery of an event, given by its number, to an endpoint, given by its key, is no
/// longer tried.
pub(crate) fn store_ending(
    connection: &Connection,
    (seq, key): (i64, i64),
    ending: EndReason,
    at: i64,
) -> Result<(), StoreError> {
    connection.run(
        "insert into webhooks_ending (event_seq, endpoint_key, reason, at) values (?1, ?2, ?3, ?4)
         on conflict (event_seq, endpoint_key) do update set reason = excluded.reason, at = excluded.at",
        params![seq, key, ending.as_str(), at],
    )?;
    Ok(())
}
