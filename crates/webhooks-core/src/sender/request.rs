//! A request: the endpoint's own headers, ours, and a fresh signature.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::Full;
use url::{Position, Url};

use crate::{
    attempt::Failure,
    clock::{Timeline, unix_millis},
    model::{delivery::StoredEvent, endpoint::EndpointRecord},
    signature::{self, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP},
};

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("webhooks-core/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// A request with its whole body.
pub(super) type Request = http::Request<Full<Bytes>>;

/// Builds the request of one attempt.
// Callgrind finds it by its name: crates/bench/tests/it/instructions.rs.
#[inline(never)]
pub(super) fn build(
    endpoint: &EndpointRecord,
    event: &StoredEvent,
    timeline: &Timeline,
) -> Result<Request, Failure> {
    let mut request = Request::new(Full::new(event.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target(&endpoint.url)?;
    *request.headers_mut() = headers(endpoint, event, timeline)?;
    Ok(request)
}

/// `https://acme.example:8443`: requests to one origin can share a connection.
pub(super) fn origin(url: &Url) -> &str {
    &url[..Position::BeforePath]
}

/// The part of the URL that is sent to the receiver.
fn target(url: &Url) -> Result<Uri, Failure> {
    let path = &url[Position::BeforePath..Position::AfterQuery];
    Uri::try_from(path).map_err(|error| Failure::Request(format!("the URL's path: {error}")))
}

/// The headers, signed with every active secret.
fn headers(
    endpoint: &EndpointRecord,
    event: &StoredEvent,
    timeline: &Timeline,
) -> Result<HeaderMap, Failure> {
    let timestamp_s = unix_millis(timeline.wall()).div_euclid(1_000);
    let now = timeline.now();
    let active = endpoint
        .secrets
        .iter()
        .filter(|secret| secret.expires_at.is_none_or(|at| at > now));
    let signatures: Vec<String> = active
        .map(|active| {
            signature::sign(
                std::slice::from_ref(&active.secret),
                &event.id,
                timestamp_s,
                &event.body,
            )
        })
        .collect();
    let mut headers = HeaderMap::with_capacity(8 + endpoint.headers.len());
    // First, so that whatever is in the store, none of our headers is replaced.
    for (name, value) in &endpoint.headers {
        headers.insert(name, value.clone());
    }
    let host = &endpoint.url[Position::BeforeHost..Position::BeforePath];
    headers.insert(header::HOST, value(host)?);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.entry(header::ACCEPT).or_insert(ANYTHING);
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(WEBHOOK_ID, value(&event.id)?);
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp_s));
    headers.insert(WEBHOOK_SIGNATURE, value(&signatures.join(" "))?);
    if let Some(traceparent) = &event.traceparent {
        headers.insert(TRACEPARENT, value(traceparent)?);
    }
    if let Some(legacy) = &endpoint.legacy {
        for (name, value) in legacy.headers(&event.id, timestamp_s, &event.body) {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text)
        .map_err(|_| Failure::Request("a header has a control character".to_owned()))
}
