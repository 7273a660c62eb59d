//! What Postgres says, as the store says it.

use std::sync::Arc;

use crate::store::{
    delivery_error::DeliveryError, endpoint_error::EndpointError, error::StoreError,
};

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const DISK_FULL: &str = "53100";
/// It is a replica, or somebody has said so.
const READ_ONLY: &str = "25006";
const DEADLOCK: &str = "40P01";
/// A lock was waited for as long as that is allowed.
const LOCK_NOT_AVAILABLE: &str = "55P03";
const SERIALIZATION_FAILURE: &str = "40001";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match code(&error).as_deref() {
            Some(DISK_FULL) => Self::Full,
            Some(READ_ONLY) => Self::ReadOnly,
            // Two waited for each other, or could not be put in an order, or one had a lock for too long:
            // this one was ended, nothing of it is stored, and made again it comes after the other.
            Some(DEADLOCK | SERIALIZATION_FAILURE | LOCK_NOT_AVAILABLE) => Self::Busy,
            _ => Self::Database(Arc::new(error)),
        }
    }
}

impl From<sqlx::Error> for EndpointError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<sqlx::Error> for DeliveryError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    error.code().map(|code| code.into_owned())
}

/// What the store's error is of Postgres'.
pub(super) fn of_postgres(error: &StoreError) -> Option<&sqlx::Error> {
    match error {
        StoreError::Database(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Whether the connection can be used no more.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        // An administrator ended it, the server stops or has crashed, or has timed out an idle
        // transaction.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("57P") || code == "25P03" || code.starts_with("08")
        }),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}
