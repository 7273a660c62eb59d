//! Zoom: signs like Slack, with its own headers.

use super::super::algorithm::{Algorithm, Encoding};
use super::super::challenge::{Challenge, question};
use super::super::format::{Names, Scheme};
use super::super::key::Key;
use super::slack;
use serde::Deserialize;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Zoom",
    names: &[Names {
        signature: "x-zm-signature",
        timestamp: Some("x-zm-request-timestamp"),
        id: None,
        event_type: None,
    }],
    payload_field: None,
    challenge: Some(url_validation),
    ..slack::SCHEME
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
    let asked = question(body, |asked: &Question| {
        asked.event == "endpoint.url_validation"
    })?;
    let token = asked.payload.plain_token;
    let signature = key.sign(Algorithm::HmacSha256, &[token.as_bytes()])?;
    Some(Challenge::json(&serde_json::json!({
        "plainToken": token,
        "encryptedToken": Encoding::Hex.write(&signature),
    })))
}
