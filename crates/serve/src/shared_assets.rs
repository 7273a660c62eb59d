//! Files of a page that are part of the program, and those that the apps' pages share: one stylesheet,
//! and one way to follow an event stream.

use axum::{
    Router,
    http::header,
    routing::{MethodRouter, get},
};

/// Answers GET with a text that is part of the program, as `content_type`; browsers keep it for five
/// minutes.
pub fn asset<S: Clone + Send + Sync + 'static>(
    content_type: &'static str,
    text: &'static str,
) -> MethodRouter<S> {
    get(move || async move {
        let headers = [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, "max-age=300"),
        ];
        (headers, text)
    })
}

/// A router that serves `/assets/app.css` and `/assets/stream.js`; merge it into an app's own.
pub fn shared_assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
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
