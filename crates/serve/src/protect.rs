//! What every page and API has in common: security headers, a request id, 500 after a panic.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tracing::Instrument;
use uuid::Uuid;

/// Identifies the request in the response, by the id that the log has.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Pages load their own files and nothing else; neither script nor style can be injected inline,
/// and no other site can frame them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

/// The part of the policy that [`crate::framed`] changes.
pub(crate) const NO_FRAMES: &str = "frame-ancestors 'none'";

/// `no-referrer` would make browsers send `Origin: null` with our own forms, which
/// [`crate::check_same_origin`] has to refuse.
const REFERRER_POLICY: &str = "same-origin";

/// Wraps every route of `router`: sets security headers unless the handler set its own, answers
/// panics with 500, puts a request id in the response and in each log line, and logs one line per
/// request at debug.
///
/// Call it last; routes added afterwards are not protected.
pub fn protect(router: Router) -> Router {
    router.layer(from_fn(protected))
}

async fn protected(request: Request, next: Next) -> Response {
    let id = Uuid::new_v4().simple().to_string();
    // Only the route's pattern: the path itself may contain a token or a phone number.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(none)", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request", request.id = id, request.method = %request.method(), request.route = route
    );
    let mut response = answered(request, next).instrument(span).await;
    harden(response.headers_mut());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

async fn answered(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            // Not the panic's text: it may quote what the client sent.
            tracing::error!("a handler panicked; the client was answered with 500");
            let text = "something went wrong here; try again\n";
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    };
    tracing::debug!(
        status = response.status().as_u16(),
        duration_ms = millis(started.elapsed()),
        "answered a request"
    );
    response
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Adds the security headers that the handler did not set itself.
pub(crate) fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, REFERRER_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}
