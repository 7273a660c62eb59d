//! Zoom: `v0=` and hex over `v0:timestamp:body`.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::challenge::Challenge;
use super::super::format::{Form, Names, Part, Scheme};
use super::super::key::Key;
use super::standard::BODY_LIMIT_BYTES;
use serde::Deserialize;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Zoom",
    names: &[Names {
        signature: "x-zm-signature",
        timestamp: Some("x-zm-request-timestamp"),
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
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: Some(url_validation),
};

#[derive(Deserialize)]
struct Question {
    event: String,
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    plain_token: String,
}

/// A new URL, and later every known one, is asked to sign a token.
fn url_validation(body: &[u8], key: &Key) -> Option<Challenge> {
    let asked: Question = serde_json::from_slice(body).ok()?;
    if asked.event != "endpoint.url_validation" {
        return None;
    }
    let token = asked.payload.plain_token;
    let signature = key.sign(Algorithm::HmacSha256, &[token.as_bytes()])?;
    Some(Challenge::json(&serde_json::json!({
        "plainToken": token,
        "encryptedToken": Encoding::Hex.write(&signature),
    })))
}
