//! Why a draw is not kept.

use webhooks_core::TransactionError;

/// Draws can't be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The file refused.
    #[error(transparent)]
    File(#[from] TransactionError),
    /// The database refused.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The engine refused the event.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Send(#[from] webhooks_core::SendError),
}
