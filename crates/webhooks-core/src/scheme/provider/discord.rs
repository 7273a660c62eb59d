//! Discord: ed25519 in hex over `timestamp` and body, for interactions and webhook events.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::challenge::{Challenge, question};
use super::super::format::{Form, Names, Part, Scheme};
use super::super::key::Key;
use super::standard::BODY_LIMIT_BYTES;
use serde::Deserialize;
use serde::de::IgnoredAny;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Discord",
    names: &[Names {
        signature: "X-Signature-Ed25519",
        timestamp: Some("X-Signature-Timestamp"),
        id: None,
        event_type: None,
    }],
    form: Form::Bare,
    encoding: Encoding::Hex,
    algorithm: Algorithm::Ed25519,
    content: &[Part::Timestamp, Part::Body],
    secret: SecretForm::PublicKey,
    malformed: "it is not 128 hexadecimal digits",
    body_time_ms: None,
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: Some(ping),
};

#[derive(Deserialize)]
struct Question {
    r#type: u8,
    event: Option<IgnoredAny>,
}

/// An interaction of type 1 expects a pong; a webhook event of type 0 expects an empty answer.
fn ping(body: &[u8], _: &Key) -> Option<Challenge> {
    let asked = question(body, |asked: &Question| {
        asked.r#type == 0 || (asked.r#type == 1 && asked.event.is_none())
    })?;
    Some(match asked.r#type {
        0 => Challenge::empty(),
        _ => Challenge::json(&serde_json::json!({ "type": 1 })),
    })
}
