//! The routes.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::{downtime, journey, page, status, texter::Texter, webhook};

/// The texter's routes, to serve or to call in a test.
pub fn app(texter: Texter) -> Router {
    let webhooks = Router::new()
        .route("/", get(page::page).post(webhook::receive))
        .layer(DefaultBodyLimit::max(webhook::BODY_BYTES_MAX));
    let reports = Router::new()
        .route("/status/{text}", post(status::report))
        .layer(DefaultBodyLimit::max(status::REPORT_BYTES_MAX));
    Router::new()
        .merge(webhooks)
        .merge(reports)
        .route("/texts/{event_id}", get(journey::show))
        .route("/texts/{event_id}/events", get(journey::follow))
        .merge(page::ASSETS.routes())
        .with_state(texter.clone())
        .merge(downtime::routes(texter))
}
