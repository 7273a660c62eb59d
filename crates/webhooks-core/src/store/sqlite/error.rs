//! SQLite's errors, as errors of the store.

use std::sync::Arc;

use crate::store::error::StoreError;

/// What an error of SQLite means for a caller. Not a `From`, which would be public.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        _ if tells_of_a_lock(&error) => StoreError::Locked,
        _ => StoreError::Database(Arc::new(error)),
    }
}

/// SQLite's own error in an error of the store.
pub(super) fn of_sqlite(error: &StoreError) -> Option<&rusqlite::Error> {
    match error {
        StoreError::Database(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Whether another program's lock is the reason.
pub(super) fn tells_of_a_lock(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked)
    )
}
