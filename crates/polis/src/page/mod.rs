//! The page on the second listener.

use askama::Template;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse},
    routing::get,
};

use crate::api::{Captured, Shared};

/// Requests on the page.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    requests: Vec<Captured>,
}

/// The page's routes, to be merged into the second listener's router.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/", get(index))
}

async fn index(State(shared): State<Shared>) -> impl IntoResponse {
    let polis = &shared.polis;
    let requests = polis
        .store
        .newest_first()
        .iter()
        .filter(|record| polis.admits(record, None))
        .take(SHOWN)
        .map(|record| Captured::summary(record, Some(&polis.redactor)))
        .collect();
    match (Index { requests }).render() {
        Ok(page) => ([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
