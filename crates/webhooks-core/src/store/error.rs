//! Why the store refused.

use std::sync::Arc;

use crate::seal::SealError;

/// The store refused or failed.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full; nothing was stored.
    #[error("the disk is full; nothing was stored. Free some space and send again")]
    Full,
    /// The database accepts no writes: it is a replica, or was made read-only; nothing was stored.
    #[error(
        "the database is read-only: a replica, or set so by its administrator; nothing was stored. \
         Send again once it accepts writes"
    )]
    ReadOnly,
    /// SQLite rolled the transaction back: a full disk, an I/O error, or a statement that is written
    /// to roll back when it fails.
    #[error(
        "the transaction was rolled back by a full disk, an I/O error, or a statement or trigger \
         with \"or rollback\" or raise(rollback); nothing was stored"
    )]
    RolledBack,
    /// Another program has the database locked; nothing was stored.
    #[error("the database is locked by another program; nothing was stored. Send again")]
    Locked,
    /// Another transaction on the database held a lock that this one needs for longer than the engine
    /// waits; nothing was stored.
    #[error(
        "another transaction on the database holds a lock that this call needs; nothing was stored. Send again"
    )]
    Busy,
    /// Other engines on the same database took this one for dead: they had not heard from it, or it could
    /// not find out what it had stored.
    #[error(
        "other engines on this database took this one for dead; nothing was stored. It continues as a new node: send again"
    )]
    Fenced,
    /// The connection was lost during a commit, and the database does not answer.
    #[error(
        "the connection was lost during the commit and the database does not answer: it is not known whether anything \
         was stored. Send again with an id of your own, which makes that safe"
    )]
    Unknown,
    /// The engine was shut down.
    #[error("the engine was shut down")]
    Closed,
    /// What was asked for is no longer there.
    #[error(
        "what was asked for is no longer in the store: it was removed, or retention deleted it"
    )]
    Gone,
    /// The app's closure panicked; nothing of it was stored.
    #[error("the transaction's closure panicked; nothing of it was stored")]
    Panicked,
    /// Secrets are sealed with another key.
    #[error("the endpoint's secrets cannot be read: {0}")]
    Sealed(String),
    /// The stored data of an endpoint, an attempt or an ending cannot be read; the text says which.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// Any other error from the database, as its driver's own error.
    #[error("{0}")]
    Database(Arc<dyn std::error::Error + Send + Sync>),
}

crate::error_text::debug_is_display!(StoreError);

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoKey | SealError::WrongKey => Self::Sealed(error.to_string()),
            SealError::Form => Self::Damaged(error.to_string()),
        }
    }
}

impl StoreError {
    /// Whether it is about one endpoint only: others can still be written and sent to.
    pub(crate) fn is_about_an_endpoint(&self) -> bool {
        matches!(self, Self::Sealed(_) | Self::Damaged(_))
    }

    /// Names the endpoint that cannot be read, so that it can be repaired.
    pub(crate) fn of_endpoint(self, id: &str) -> Self {
        match self {
            Self::Sealed(problem) => Self::Sealed(format!("{problem} (endpoint {id})")),
            Self::Damaged(problem) => Self::Damaged(format!("{problem} (endpoint {id})")),
            error => error,
        }
    }
}
