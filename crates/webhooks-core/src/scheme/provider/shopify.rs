//! Shopify: base64 over the body alone; neither id nor timestamp is signed.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::format::{Form, Names, Part, Scheme};

/// Shopify documents no limit; a product with all its variants takes megabytes.
const BODY_LIMIT_BYTES: usize = 4 * 1024 * 1024;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Shopify",
    names: &[Names {
        signature: "X-Shopify-Hmac-SHA256",
        timestamp: None,
        id: Some("X-Shopify-Webhook-Id"),
        event_type: Some("X-Shopify-Topic"),
    }],
    form: Form::Bare,
    encoding: Encoding::Base64,
    algorithm: Algorithm::HmacSha256,
    content: &[Part::Body],
    secret: SecretForm::Text,
    malformed: "it is not 32 bytes of base64",
    body_time_ms: None,
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: None,
};
