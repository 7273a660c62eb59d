//! GitHub: `X-Hub-Signature-256` over the body alone; neither id nor timestamp is signed.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::format::{Form, Names, Part, Scheme};

/// GitHub documents that it sends nothing larger.
const BODY_LIMIT_BYTES: usize = 25 * 1024 * 1024;

pub(super) const SCHEME: Scheme = Scheme {
    title: "GitHub",
    names: &[Names {
        signature: "X-Hub-Signature-256",
        timestamp: None,
        id: Some("X-GitHub-Delivery"),
        event_type: Some("X-GitHub-Event"),
    }],
    form: Form::Prefixed("sha256="),
    encoding: Encoding::Hex,
    algorithm: Algorithm::HmacSha256,
    content: &[Part::Body],
    secret: SecretForm::Text,
    malformed: "it is not `sha256=` and 64 hexadecimal digits",
    body_time_ms: None,
    payload_field: Some("payload"),
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: None,
};
