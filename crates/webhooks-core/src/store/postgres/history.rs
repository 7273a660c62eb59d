//! Which line of history a database follows. A replica that takes over begins a new one, in which anything
//! it had not received never happened: deliveries that this node has made are pending again, and rows are
//! claimed by it that it does not hold. PostgreSQL calls such a line a timeline, and numbers it.

use super::{error::is_lost, session::Session};
use crate::store::error::StoreError;

/// The number of a line of history, if the server reports it.
pub(super) type History = Option<String>;

/// The first part of the name of the current WAL file; every role may query it.
const HISTORY: &str = "select substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

/// The line that the server follows. To be called outside a transaction: a hosted service that refuses the
/// query would end it.
///
/// # Errors
/// The connection is lost.
pub(super) async fn history_of(connection: &mut Session) -> Result<History, StoreError> {
    match connection.read_row(HISTORY).await {
        Ok((history,)) => Ok(history),
        Err(error) if is_lost(&error) => Err(error),
        Err(error) => {
            tracing::debug!(%error, "the server does not report its WAL timeline");
            Ok(None)
        }
    }
}
