//! Brings the stored endpoints in line with `WEBHOOK_URLS` at every start.

use std::time::Duration;

use url::Url;
use webhooks_core::{
    EndpointChange, EndpointError, EndpointState, NewEndpoint, RetrySchedule, RetryScheduleError,
    Webhooks,
};

use crate::settings::Settings;

/// The waits between attempts, in seconds. Somebody is watching the page, so the first ones are
/// short; all of them together still cover three days, as the engine's own schedule does.
const RETRY_WAITS_SECONDS: [u64; 16] = [
    5, 5, 10, 20, 30, 60, 120, 300, 900, 1_800, 3_600, 7_200, 18_000, 36_000, 72_000, 115_200,
];

/// How long a replaced secret still signs: the operator has changed both sides.
const SECRET_GRACE: Duration = Duration::ZERO;

/// The endpoints can't be brought in line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// An endpoint can't be registered.
    #[error("WEBHOOK_URLS: can't send to {url}: {source}")]
    Endpoint {
        /// The endpoint's address.
        url: Url,
        /// Why not, and what to do.
        source: EndpointError,
    },
    /// The stored ones can't be listed or removed.
    #[error("the stored endpoints can't be changed: {0}")]
    Stored(#[from] EndpointError),
    /// The engine does not accept this retry schedule.
    #[error(transparent)]
    Schedule(#[from] RetryScheduleError),
}

/// Adds missing endpoints, removes those that are no longer listed, and keeps the rest with their
/// history; all listed endpoints are enabled.
pub(crate) async fn reconcile(
    webhooks: &Webhooks,
    customer: &str,
    settings: &Settings,
) -> Result<(), ReconcileError> {
    let endpoints = webhooks.endpoints(customer);
    let schedule = RetrySchedule::new(RETRY_WAITS_SECONDS.map(Duration::from_secs))?;
    let mut missing: Vec<Url> = settings
        .targets
        .iter()
        .map(|target| target.url.clone())
        .collect();
    for stored in endpoints.list().await? {
        let listed = Url::parse(&stored.url)
            .ok()
            .and_then(|url| missing.iter().position(|wanted| *wanted == url));
        let Some(place) = listed else {
            tracing::info!(endpoint.id = %stored.id, url = stored.url, "removed an endpoint that is no longer listed");
            endpoints.remove(&stored.id).await?;
            continue;
        };
        let url = missing.swap_remove(place);
        let kept = async {
            let change = EndpointChange::new().url(url.as_str()).retry(&schedule);
            endpoints.edit(&stored.id, change).await?;
            if let Some(secret) = settings.secret.clone() {
                let secret = Some(secret);
                endpoints
                    .rotate_secret(&stored.id, secret, SECRET_GRACE)
                    .await?;
            }
            match stored.state {
                EndpointState::Paused => endpoints.resume(&stored.id).await,
                EndpointState::Disabled { .. } => endpoints.enable(&stored.id).await,
                _ => Ok(()),
            }
        };
        kept.await
            .map_err(|source| ReconcileError::Endpoint { url, source })?;
    }
    for url in missing {
        let mut new = NewEndpoint::new(url.as_str()).retry(&schedule);
        if let Some(secret) = settings.secret.clone() {
            new = new.secret(secret);
        }
        endpoints
            .add(new)
            .await
            .map_err(|source| ReconcileError::Endpoint { url, source })?;
    }
    Ok(())
}
