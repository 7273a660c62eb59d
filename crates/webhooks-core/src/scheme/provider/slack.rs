//! Slack: `v0=` and hex over `v0:timestamp:body`.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::challenge::{Challenge, question};
use super::super::format::{Form, Names, Part, Scheme};
use super::super::key::Key;
use super::standard::BODY_LIMIT_BYTES;
use serde::Deserialize;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Slack",
    names: &[Names {
        signature: "X-Slack-Signature",
        timestamp: Some("X-Slack-Request-Timestamp"),
        id: None,
        event_type: None,
    }],
    form: Form::Prefixed("v0="),
    encoding: Encoding::Hex,
    algorithm: Algorithm::HmacSha256,
    content: &[
        Part::Text("v0:"),
        Part::Timestamp,
        Part::Text(":"),
        Part::Body,
    ],
    secret: SecretForm::Text,
    malformed: "it is not `v0=` and 64 hexadecimal digits",
    body_time_ms: None,
    payload_field: Some("payload"),
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: Some(url_verification),
};

#[derive(Deserialize)]
struct Question {
    r#type: String,
    challenge: String,
}

/// The first request to a new URL expects its challenge back.
fn url_verification(body: &[u8], _: &Key) -> Option<Challenge> {
    question(body, |asked: &Question| asked.r#type == "url_verification")
        .map(|asked| Challenge::text(asked.challenge))
}
