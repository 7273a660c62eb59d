//! Which line of history a database follows. A replica that takes over begins another, in which what it
//! did not have never happened: deliveries are owed that this node made, and claimed by it though it
//! does not hold them. PostgreSQL calls the line a timeline, and numbers it.

use sqlx::Row;

use super::session::Session;

/// The number of a line of history, where the server tells it.
pub(super) type History = Option<String>;

/// The first part of the name of the file that is written to; every role may ask for it.
const HISTORY: &str = "select substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

/// The line that the server follows, outside of a transaction: a service that refuses to tell would end
/// it.
///
/// # Errors
/// The connection is lost.
pub(super) async fn history_of(connection: &mut Session) -> sqlx::Result<History> {
    match connection.fetch_one(HISTORY).await {
        Ok(row) => Ok(Some(row.try_get(0)?)),
        Err(error @ sqlx::Error::Database(_)) => {
            tracing::debug!(%error, "the server does not tell which line of history it follows");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
