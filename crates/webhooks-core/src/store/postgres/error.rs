//! Postgres's errors, as errors of the store.

use std::sync::Arc;

use sqlx::postgres::PgDatabaseError;

use crate::store::error::StoreError;

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const DISK_FULL: &str = "53100";
/// It is a replica, or was set to be read-only.
const READ_ONLY: &str = "25006";
const DEADLOCK: &str = "40P01";
/// The wait for a lock reached its limit.
const LOCK_NOT_AVAILABLE: &str = "55P03";
const SERIALIZATION_FAILURE: &str = "40001";
const CHECK_VIOLATION: &str = "23514";
/// Classes of errors about what was to be written: its data, a constraint, an exception in a trigger, a view's
/// condition, a limit of an index.
const OF_WHAT_IS_WRITTEN: [&str; 5] = ["22", "23", "P0", "44", "54"];
/// Classes of errors about the connection, the transaction, the server or its machine, wherever they occur.
const OF_SERVER: [&str; 8] = ["08", "25", "40", "53", "55", "57", "58", "XX"];

/// What an error of the driver means for a caller. Not a `From`, which would be public.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    match code(&error).as_deref() {
        Some(DISK_FULL) => StoreError::Full,
        Some(READ_ONLY) => StoreError::ReadOnly,
        // Two transactions deadlocked, or could not be serialized, or one held a lock for too long: this one
        // was ended, nothing of it is stored, and a retry comes after the other.
        Some(DEADLOCK | SERIALIZATION_FAILURE | LOCK_NOT_AVAILABLE) => StoreError::Busy,
        _ => StoreError::Database(Arc::new(error)),
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    error.code().map(|code| code.into_owned())
}

/// Postgres's own error in an error of the store.
pub(super) fn of_postgres(error: &StoreError) -> Option<&sqlx::Error> {
    match error {
        StoreError::Database(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Why Postgres refused what was to be written, if a constraint or a trigger of the app did. It may accept
/// everything else. `None` for errors of any other kind.
pub(super) fn refusal_of(error: &StoreError) -> Option<String> {
    let error = of_postgres(error)?.as_database_error()?;
    let error = error.try_downcast_ref::<PgDatabaseError>()?;
    let is_of = |classes: &[&str]| classes.iter().any(|class| error.code().starts_with(class));
    // A row that fits no partition violates a check that has no name.
    let lacks_partition = error.code() == CHECK_VIOLATION && error.constraint().is_none();
    // Whatever code a function gives to an exception, it comes from the function, not from a statement of ours.
    let is_refusal = is_of(&OF_WHAT_IS_WRITTEN) || error.r#where().is_some();
    let refuses = is_refusal && !lacks_partition && !is_of(&OF_SERVER);
    refuses.then(|| error.message().to_owned())
}

/// Whether the connection can no longer be used.
pub(super) fn is_lost(error: &StoreError) -> bool {
    match of_postgres(error) {
        // An administrator ended it, the server is stopping or has crashed, or it timed out an idle
        // transaction.
        Some(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
            code.starts_with("57P") || code == "25P03" || code.starts_with("08")
        }),
        Some(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)) => true,
        _ => false,
    }
}
