//! GitLab: the secret token itself in `X-Gitlab-Token`; nothing is signed.
//!
//! Whoever reads one request can send any other. Newer versions sign: give the webhook a signing
//! token and verify it as Standard Webhooks.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::format::{Form, Names, Scheme};

/// GitLab sends nothing larger.
const BODY_LIMIT_BYTES: usize = 25 * 1024 * 1024;

pub(super) const SCHEME: Scheme = Scheme {
    title: "GitLab",
    names: &[Names {
        signature: "X-Gitlab-Token",
        timestamp: None,
        id: Some("Idempotency-Key"),
        event_type: Some("X-Gitlab-Event"),
    }],
    form: Form::Bare,
    encoding: Encoding::Text,
    algorithm: Algorithm::Token,
    content: &[],
    secret: SecretForm::Text,
    malformed: "it is empty",
    body_time_ms: None,
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: None,
};
