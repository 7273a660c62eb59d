//! What the apps' pages share: one stylesheet, and one way to follow an event stream.

use axum::{Router, http::header, routing::get};

/// A router that serves `/assets/app.css` and `/assets/stream.js`; merge it into an app's own.
pub fn shared_assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let asset = |kind: &'static str, text: &'static str| {
        get(move || async move {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CACHE_CONTROL, "max-age=300"),
            ];
            (headers, text)
        })
    };
    Router::new()
        .route(
            "/assets/app.css",
            asset(
                "text/css; charset=utf-8",
                include_str!("../../../templates/shared/app.css"),
            ),
        )
        .route(
            "/assets/stream.js",
            asset(
                "text/javascript; charset=utf-8",
                include_str!("../../../templates/shared/stream.js"),
            ),
        )
}
