//! The one stylesheet that the apps' pages share.

use axum::{Router, http::header, routing::get};

/// A router that serves the shared stylesheet at `/assets/app.css`; merge it into an app's own.
pub fn stylesheet<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route(
        "/assets/app.css",
        get(|| async {
            (
                [
                    (header::CONTENT_TYPE, "text/css; charset=utf-8"),
                    (header::CACHE_CONTROL, "max-age=300"),
                ],
                include_str!("../../../templates/shared/app.css"),
            )
        }),
    )
}
