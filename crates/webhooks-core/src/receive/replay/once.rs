//! Handling a key once, from claim to confirmation, in one call.

use super::{ClaimOutcome, KeyLease, ReplayError, ReplayGuard, hash};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// What [`ReplayGuard::once`] did. As a response it is the handler's own, 204, or 409.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum OnceOutcome<T> {
    /// The key was new and the handler succeeded with this.
    Handled(T),
    /// It was handled before. Answer 204, or the sender keeps retrying.
    Already,
    /// Another copy is being handled at this moment and may yet fail. Answer 409: the sender retries and then
    /// finds it handled.
    Underway,
}

/// Why [`ReplayGuard::once`] did not handle the key; the sender's retry gets through. As a response it is the
/// handler's own, 500, or 503.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnceError<E> {
    /// The handler failed.
    #[error("handling the webhook failed")]
    Handler(E),
    /// The handler ran longer than the guard's time limit and was stopped.
    #[error("handling the webhook took longer than {limit:?}")]
    TooSlow {
        /// The time limit.
        limit: Duration,
    },
    /// The handler panicked.
    #[error("handling the webhook panicked")]
    Panicked,
    /// The guard could not tell whether the key is new, so it was not handled.
    #[error(transparent)]
    Guard(ReplayError),
}

impl ReplayGuard {
    /// Runs `handler` unless `key` was handled before or is being handled now.
    ///
    /// The handler runs independently of the request: a sender that hangs up does not stop it half-way, and its
    /// retry then finds the key handled. It is stopped at the guard's time limit. If it fails, panics or is
    /// stopped, the key is released and the sender's retry gets through.
    ///
    /// # Errors
    ///
    /// [`OnceError`]; every case except the handler's own error is logged here. Answer with it, or with another
    /// status that makes the sender retry.
    pub async fn once<T, E, F, Fut>(
        &self,
        key: &str,
        handler: F,
    ) -> Result<OnceOutcome<T>, OnceError<E>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (guard, key) = (self.clone(), hash(key));
        let handled = tokio::spawn(async move {
            let lease = match guard.claim_hash(key).await.map_err(OnceError::Guard)? {
                ClaimOutcome::Granted(lease) => lease,
                ClaimOutcome::Already => return Ok(OnceOutcome::Already),
                ClaimOutcome::Underway => return Ok(OnceOutcome::Underway),
            };
            let limit = guard.time_limit;
            match tokio::time::timeout(limit, handler()).await {
                Ok(Ok(value)) => {
                    // The work is done either way; making the sender repeat it would be worse.
                    if let Err(error) = lease.confirm().await {
                        tracing::error!(%error, "a handled webhook could not be marked as handled");
                    }
                    Ok(OnceOutcome::Handled(value))
                }
                Ok(Err(error)) => {
                    give_back(lease).await;
                    Err(OnceError::Handler(error))
                }
                Err(_) => {
                    give_back(lease).await;
                    Err(OnceError::TooSlow { limit })
                }
            }
        });
        let result = handled.await.unwrap_or(Err(OnceError::Panicked));
        match &result {
            Ok(_) | Err(OnceError::Handler(_)) => {}
            Err(OnceError::TooSlow { limit }) => {
                tracing::error!(
                    limit_ms = limit.as_millis(),
                    "handling a webhook took too long"
                );
            }
            Err(OnceError::Panicked) => tracing::error!("handling a webhook panicked"),
            Err(OnceError::Guard(error)) => {
                tracing::error!(%error, "cannot tell whether a webhook is new");
            }
        }
        result
    }
}

async fn give_back(lease: KeyLease) {
    if let Err(error) = lease.release().await {
        tracing::error!(%error, "a webhook that failed stays claimed until its claim ends");
    }
}

impl<T: IntoResponse> IntoResponse for OnceOutcome<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Handled(value) => value.into_response(),
            Self::Already => StatusCode::NO_CONTENT.into_response(),
            Self::Underway => StatusCode::CONFLICT.into_response(),
        }
    }
}

impl<E: IntoResponse> IntoResponse for OnceError<E> {
    fn into_response(self) -> Response {
        match self {
            Self::Handler(error) => error.into_response(),
            Self::TooSlow { .. } | Self::Panicked => {
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Self::Guard(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}
