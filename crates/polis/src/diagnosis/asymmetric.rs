//! `v1a` of Standard Webhooks: ed25519, signed by a `whsk_` key and verified by its `whpk_`.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::{SigningSecret, secret::LENIENT};

/// The public key of a `whpk_` or `whsk_` text.
pub(super) fn public_key(text: &str) -> Option<VerifyingKey> {
    let bytes = if let Some(public) = text.strip_prefix("whpk_") {
        LENIENT.decode(public).ok()?
    } else {
        // The seed, and after it the public key.
        let both = LENIENT.decode(text.strip_prefix("whsk_")?).ok()?;
        (both.len() == 64).then(|| both[32..].to_vec())?
    };
    VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok()
}

/// The position of the first secret whose public key verifies one of the signatures.
pub(super) fn verified_by(
    secrets: &[SigningSecret],
    signatures: &[String],
    content: &[u8],
) -> Option<usize> {
    let signatures: Vec<Signature> = signatures
        .iter()
        .filter_map(|text| Signature::from_slice(&LENIENT.decode(text).ok()?).ok())
        .collect();
    secrets.iter().position(|secret| {
        public_key(secret.expose()).is_some_and(|key| {
            signatures
                .iter()
                .any(|signature| key.verify_strict(content, signature).is_ok())
        })
    })
}

/// A signature in base64, when the secret is a `whsk_` that can sign.
pub(super) fn signed(secret: &SigningSecret, content: &[u8]) -> Option<String> {
    let both = LENIENT
        .decode(secret.expose().strip_prefix("whsk_")?)
        .ok()?;
    let seed: [u8; 32] = both.get(..32)?.try_into().ok()?;
    let signature = SigningKey::from_bytes(&seed).sign(content);
    Some(STANDARD.encode(signature.to_bytes()))
}
