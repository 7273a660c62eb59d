//! `POST /`: the order of checks of one webhook, and the answer to each outcome.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;

use crate::{
    event::{self, EventError, Received},
    outcome::Outcome,
    texter::Texter,
    times::system_time,
};

/// An event of this kind takes about a hundred bytes; Standard Webhooks advises at most 20 kB.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// The event's id, for a body that has none of its own.
const WEBHOOK_ID: &str = "webhook-id";

/// The answer if nothing was texted.
#[derive(Serialize)]
struct NotTexted<'a> {
    texted: bool,
    reason: &'a str,
}

/// Size, signature, content type, body, event; then the text.
pub(crate) async fn receive(
    State(texter): State<Texter>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return unreadable(&rejection),
    };
    let parts = texter.parts();
    let signed_id = match &parts.webhooks {
        None => header_text(&headers, WEBHOOK_ID).map(str::to_owned),
        Some(check) => match check.check(&headers, &body, system_time(parts.now())) {
            Ok(verification) => verification.id,
            Err(error) => {
                tracing::warn!(%error, "refused a webhook: its signature does not verify");
                return not_texted(StatusCode::UNAUTHORIZED, "unauthorized");
            }
        },
    };
    if !is_json(&headers) {
        tracing::info!("ignored a webhook: it is not application/json");
        return not_texted(
            StatusCode::ACCEPTED,
            "nothing to do: only application/json is read",
        );
    }
    let draw = match event::read(&body, signed_id.as_deref()) {
        Ok(Received::Draw(draw)) => draw,
        Ok(Received::Other) => {
            tracing::info!("ignored a webhook: it is another type of event");
            return not_texted(
                StatusCode::ACCEPTED,
                "nothing to do: only random_number:generate is texted",
            );
        }
        Err(error) => {
            tracing::warn!(%error, "refused a webhook: its body is not an event");
            let status = match error {
                EventError::NotJson(_) => StatusCode::BAD_REQUEST,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            return not_texted(status, &error.to_string());
        }
    };
    answer(texter.text(draw).await, body)
}

fn answer(outcome: Outcome, body: Bytes) -> Response {
    match outcome {
        Outcome::Texted => (
            StatusCode::CREATED,
            [(header::CONTENT_TYPE, "application/json")],
            body,
        )
            .into_response(),
        Outcome::Refused { reason } => not_texted(StatusCode::ACCEPTED, &reason),
        Outcome::TryAgain { reason, after } => {
            later(StatusCode::SERVICE_UNAVAILABLE, after, &reason)
        }
        Outcome::LimitReached { limit, after } => later(
            StatusCode::TOO_MANY_REQUESTS,
            after,
            &format!("the limit of {limit} texts a day is reached until midnight UTC"),
        ),
    }
}

fn later(status: StatusCode, after: Duration, reason: &str) -> Response {
    // Rounded up, and never zero.
    let seconds = after.as_millis().div_ceil(1000).max(1).to_string();
    let mut response = not_texted(status, reason);
    if let Ok(seconds) = seconds.parse() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn not_texted(status: StatusCode, reason: &str) -> Response {
    let body = NotTexted {
        texted: false,
        reason,
    };
    (status, Json(body)).into_response()
}

fn unreadable(rejection: &BytesRejection) -> Response {
    let status = rejection.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let reason = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        tracing::warn!(reason, "refused a webhook");
        return not_texted(status, &reason);
    }
    tracing::warn!(%rejection, "refused a webhook: its body is incomplete");
    not_texted(status, "the body is incomplete")
}

fn is_json(headers: &HeaderMap) -> bool {
    header_text(headers, header::CONTENT_TYPE.as_str())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
