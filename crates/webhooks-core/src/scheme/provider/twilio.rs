//! Twilio: base64 HMAC-SHA1 over the URL and the form's fields, or over a URL that carries the
//! body's hash.
//!
//! The URL is the one configured at Twilio, not the one that reached us behind a proxy.

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::format::{Form, Names, Part, Scheme};
use super::standard::BODY_LIMIT_BYTES;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Twilio",
    names: &[Names::only("X-Twilio-Signature")],
    form: Form::Bare,
    encoding: Encoding::Base64,
    algorithm: Algorithm::HmacSha1,
    content: &[Part::Url, Part::Fields],
    secret: SecretForm::Text,
    malformed: "it is not 20 bytes of base64",
    body_time_ms: None,
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: None,
};
