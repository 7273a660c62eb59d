//! Linear: hex over the body alone, which holds the time of signing.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::format::{Form, Names, Part, Scheme};

/// The limit of Linear's own library.
const BODY_LIMIT_BYTES: usize = 5 * 1024 * 1024;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Linear",
    names: &[Names {
        signature: "Linear-Signature",
        timestamp: None,
        id: Some("Linear-Delivery"),
        event_type: Some("Linear-Event"),
    }],
    form: Form::Bare,
    encoding: Encoding::Hex,
    algorithm: Algorithm::HmacSha256,
    content: &[Part::Body],
    secret: SecretForm::Text,
    malformed: "it is not 64 hexadecimal digits",
    body_time_ms: Some("webhookTimestamp"),
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: None,
};
