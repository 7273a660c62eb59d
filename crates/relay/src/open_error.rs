//! Why the relay cannot start.

use webhooks_core::{
    EndpointError, NetworkError, OpenError as StoreOpenError, SecretError, TransactionError,
};

/// The relay can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The store refused the relay's own tables.
    #[error("the store refused: {0}")]
    Tables(#[from] TransactionError),
    /// The engine refused an endpoint.
    #[error("the engine refused an action's endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The secret in the store is damaged.
    #[error("the store's setting \"secret\" can't be read ({0}); restore the file from a backup")]
    Secret(#[from] SecretError),
    /// A network in the settings is invalid.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The HTTP client could not be created.
    #[error("could not create an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}
