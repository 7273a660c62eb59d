//! The API's own description.

use axum::{http::header, response::IntoResponse};

/// OpenAPI 3.1; a test checks every route against it.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
