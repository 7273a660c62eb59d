//! The second listener: the API, and the page beside it.
//!
//! It is loopback only, refuses foreign hosts and other sites' pages (crate `serve`), and
//! describes itself at `/api/openapi.json`.

mod captured;
pub(crate) mod error;
mod events;
pub(crate) mod import;
mod openapi;
pub(crate) mod query;
pub(crate) mod replay;
mod replays;
pub(crate) mod requests;
mod rules;
pub(crate) mod scopes;
mod sign;
mod wait;

pub(crate) use captured::{Captured, CapturedAnswer, CapturedHeader, CapturedSignature};
pub(crate) use import::Imported;
pub(crate) use replay::{Replay, Replayed};
pub(crate) use replays::ReplayMade;
pub(crate) use requests::{Page, Removed};
pub(crate) use scopes::{ScopeShown, ScopeSpec};
pub(crate) use sign::Signed;
pub(crate) use wait::Waited;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post, put},
};
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;

use crate::{page, polis::Polis, record::Record, store::Filter};
use error::ApiError;

/// Bodies sent to the API: rules with a body of their own are the largest.
pub(crate) const BODY_BYTES: usize = 16 * 1024 * 1024;

/// Pages and readers at once.
pub(crate) const CONNECTIONS: usize = 100;

/// What every handler gets.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) polis: Arc<Polis>,
    /// Ends the streams that would otherwise outlive a stop.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Shared {
    /// The record, when it is kept.
    pub(crate) fn record(&self, id: u64) -> Result<Arc<Record>, ApiError> {
        self.polis.store.get(id).ok_or(ApiError::NoRequest(id))
    }

    /// What the filter lets through of what came before this id, the newest first.
    pub(crate) async fn search(
        &self,
        filter: Filter,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<Arc<Record>>, ApiError> {
        let polis = Arc::clone(&self.polis);
        // It reads up to all bytes that are kept: not on a thread that answers senders.
        tokio::task::spawn_blocking(move || {
            let kept = polis.store.newest_first().into_iter();
            kept.filter(|record| before.is_none_or(|before| record.id < before))
                .filter(|record| filter.wants(record))
                .take(most)
                .collect()
        })
        .await
        .map_err(|error| ApiError::Upstream(format!("the search ended: {error}")))
    }
}

/// The router of the second listener.
pub(crate) fn app(polis: Arc<Polis>, stop: watch::Receiver<bool>) -> Router {
    let shared = Shared { polis, stop };
    let router = Router::new()
        .route("/api/openapi.json", get(openapi::document))
        .route(
            "/api/requests",
            get(requests::list).delete(requests::remove_all),
        )
        .route(
            "/api/requests/{id}",
            get(requests::one).delete(requests::remove_one),
        )
        .route("/api/requests/{id}/body", get(requests::body))
        .route("/api/requests/{id}/answer/body", get(requests::answer_body))
        .route("/api/requests/{id}/replay", post(replay::replay))
        .route("/api/requests/{id}/replays", post(replays::add))
        .route("/api/requests/{id}/sign", post(sign::sign))
        .route("/api/import", post(import::import))
        .route("/api/events", get(events::stream))
        .route("/api/wait", get(wait::wait))
        .route("/api/scopes", get(scopes::list))
        .route(
            "/api/scopes/{name}",
            put(scopes::put).get(scopes::one).delete(scopes::remove),
        )
        .route("/api/rules", get(rules::show).put(rules::put))
        .merge(page::routes())
        .merge(serve::shared_assets())
        .layer(CompressionLayer::new())
        .with_state(shared);
    // No further names: the page is for this machine, whatever a name resolves to.
    let names: [&str; 0] = [];
    serve::protect(serve::same_origin(router, names))
}
