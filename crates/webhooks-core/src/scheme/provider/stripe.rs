//! Stripe: `t=…,v1=hex[,v1=hex…]` over `timestamp.body`; the secret is used whole, not decoded.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::format::{Form, Names, Part, Scheme};
use super::standard::BODY_LIMIT_BYTES;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Stripe",
    names: &[Names::only("Stripe-Signature")],
    form: Form::Pairs {
        separator: ',',
        timestamp: "t",
        signature: "v1",
    },
    encoding: Encoding::Hex,
    algorithm: Algorithm::HmacSha256,
    content: &[Part::Timestamp, Part::Text("."), Part::Body],
    secret: SecretForm::Text,
    malformed: "it holds no `v1=` and 64 hexadecimal digits",
    body_time_ms: None,
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: None,
};
