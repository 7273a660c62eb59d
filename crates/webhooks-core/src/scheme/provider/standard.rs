//! Standard Webhooks: `webhook-*`, or Svix's `svix-*`; HMAC-SHA256 (`v1`) and ed25519 (`v1a`).
//!
//! Clerk, Resend, Svix itself and, with a signing token, GitLab send this.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::format::{Form, Names, Part, Scheme, Version};

/// Far above the 20 kB that Standard Webhooks recommends, and small enough to hold a thousand at once.
pub(super) const BODY_LIMIT_BYTES: usize = 256 * 1024;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Standard Webhooks",
    names: &[
        Names {
            signature: "webhook-signature",
            timestamp: Some("webhook-timestamp"),
            id: Some("webhook-id"),
            event_type: None,
        },
        Names {
            signature: "svix-signature",
            timestamp: Some("svix-timestamp"),
            id: Some("svix-id"),
            event_type: None,
        },
    ],
    form: Form::Versions(&[
        Version {
            name: "v1",
            algorithm: Algorithm::HmacSha256,
            malformed: "what follows `v1,` is not 32 bytes of base64",
        },
        Version {
            name: "v1a",
            algorithm: Algorithm::Ed25519,
            malformed: "what follows `v1a,` is not 64 bytes of base64",
        },
    ]),
    encoding: Encoding::Base64,
    algorithm: Algorithm::HmacSha256,
    content: &[
        Part::Id,
        Part::Text("."),
        Part::Timestamp,
        Part::Text("."),
        Part::Body,
    ],
    secret: SecretForm::Standard,
    malformed: "it holds no `v1` or `v1a` signature",
    body_time_ms: None,
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: None,
};
