//! The second listener: the API, and with it the page.
//!
//! It listens only on loopback, refuses foreign hosts and other sites' pages (crate `serve`), and
//! describes itself at `/api/openapi.json`.

pub(crate) mod error;
mod events;
pub(crate) mod import;
mod openapi;
pub(crate) mod query;
pub(crate) mod replay;
pub(crate) mod replays;
pub(crate) mod requests;
mod rules;
pub(crate) mod scopes;
pub(crate) mod shared;
pub(crate) mod sign;
pub(crate) mod wait;

use axum::{
    Router,
    routing::{get, post, put},
};

use shared::Shared;

/// The size limit of bodies sent to the API: rules with their own body are the largest.
pub(crate) const BODY_BYTES: usize = 16 * 1024 * 1024;

/// Maximum number of pages and readers at once.
pub(crate) const CONNECTIONS: usize = 100;

/// The API's routes, to be merged into the second listener's router.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
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
}
