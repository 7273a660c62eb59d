//! Why a draw could not be stored or read.

use webhooks_core::TransactionError;

/// Draws can't be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The file could not be used.
    #[error(transparent)]
    File(#[from] TransactionError),
    /// The database could not be used.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The engine rejected the event.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Send(#[from] webhooks_core::SendError),
}
