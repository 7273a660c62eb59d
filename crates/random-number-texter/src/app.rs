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
        .route(
            "/assets/texter.css",
            serve::asset(
                "text/css; charset=utf-8",
                include_str!("../../../templates/random-number-texter/texter.css"),
            ),
        )
        .route(
            "/assets/icon.svg",
            serve::asset(
                "image/svg+xml",
                include_str!("../../../templates/random-number-texter/icon.svg"),
            ),
        )
        .merge(serve::shared_assets())
        .with_state(texter.clone())
        .merge(downtime::routes(texter))
}
