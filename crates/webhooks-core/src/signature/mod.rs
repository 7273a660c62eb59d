//! Signing a webhook according to Standard Webhooks, and the way other systems do, for migrations.
//!
//! The signed content is `id.timestamp.body`, byte for byte. One signature is made per secret, so that during a
//! rotation a receiver that knows either of two secrets finds one it can check. The delivery engine calls [`sign`]
//! for every attempt; verification is in `receive`.

pub(crate) mod legacy;

pub use legacy::{LegacySignature, LegacySignatureError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::ed25519::signature::MultipartSigner;
use hmac::Mac;
use http::HeaderName;

use crate::secret::{Key, Secret};

/// `webhook-id`: the event's id, the same for every attempt; receivers de-duplicate by it.
pub const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
/// `webhook-timestamp`: when this attempt was made, in whole seconds since 1970.
pub const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// `webhook-signature`: what [`sign`] returns.
pub const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Svix's name for [`WEBHOOK_ID`].
pub const SVIX_ID: HeaderName = HeaderName::from_static("svix-id");
/// Svix's name for [`WEBHOOK_TIMESTAMP`].
pub const SVIX_TIMESTAMP: HeaderName = HeaderName::from_static("svix-timestamp");
/// Svix's name for [`WEBHOOK_SIGNATURE`].
pub const SVIX_SIGNATURE: HeaderName = HeaderName::from_static("svix-signature");

/// The version of an HMAC-SHA256 signature.
pub(crate) const SYMMETRIC_VERSION: &str = "v1";
/// The version of an ed25519 signature.
pub(crate) const ASYMMETRIC_VERSION: &str = "v1a";

/// `v1a,`, the base64 of an ed25519 signature, and the space before the next.
const ENTRY_BYTES: usize = 4 + 88 + 1;

/// Makes the value of `webhook-signature`: one `v1,…` or `v1a,…` per secret that can sign, in the
/// order given, separated by spaces.
///
/// A `whpk_` cannot sign and is skipped; refuse it where secrets are registered ([`Secret::can_sign`]).
/// `timestamp_s` is in whole seconds since 1970 and goes into `webhook-timestamp`, `id` into `webhook-id`. The id
/// must not contain a full stop, because the signature does not cover the boundary between id and timestamp.
///
/// ```
/// use webhooks_core::{Secret, signature};
///
/// let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// let value = signature::sign(
///     &[secret],
///     "msg_p5jXN8AQM9LWM0D4loKWxJek",
///     1614265330,
///     br#"{"test": 2432232314}"#,
/// );
/// assert_eq!(value, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// # Ok::<(), webhooks_core::SecretError>(())
/// ```
#[must_use]
// Callgrind finds it by its name: crates/bench/tests/it/instructions.rs.
#[inline(never)]
pub fn sign(secrets: &[Secret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let head = signed_head(id, timestamp_s);
    let mut value = String::with_capacity(secrets.len() * ENTRY_BYTES);
    for secret in secrets.iter().filter(|secret| secret.can_sign()) {
        if !value.is_empty() {
            value.push(' ');
        }
        match secret.key() {
            Key::Symmetric { keyed, .. } => {
                let mut mac = keyed.clone();
                mac.update(head.as_bytes());
                mac.update(body);
                push_entry(&mut value, SYMMETRIC_VERSION, &mac.finalize().into_bytes());
            }
            Key::Signing(signing) => {
                let made = signing.multipart_sign(&[head.as_bytes(), body]);
                push_entry(&mut value, ASYMMETRIC_VERSION, &made.to_bytes());
            }
            Key::Verifying(_) => {}
        }
    }
    value
}

/// What goes before the body: `id.timestamp.`
pub(crate) fn signed_head(id: &str, timestamp_s: impl std::fmt::Display) -> String {
    format!("{id}.{timestamp_s}.")
}

fn push_entry(value: &mut String, version: &str, signature: &[u8]) {
    value.push_str(version);
    value.push(',');
    STANDARD.encode_string(signature, value);
}
