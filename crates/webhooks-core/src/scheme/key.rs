//! A secret of any scheme, and the signatures that it makes and verifies.

use super::algorithm::{Algorithm, SecretForm};
use crate::secret::{self, Secret, SecretError, SharedSecret};
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::ed25519::signature::MultipartSigner;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// A secret as a scheme uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// `whsec_`, `whsk_`, `whpk_`, or an ed25519 public key.
    Standard(Secret),
    /// Any text.
    Shared(SharedSecret),
}

/// A signature of a request, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) algorithm: Algorithm,
    pub(super) bytes: Vec<u8>,
}

impl From<Secret> for Key {
    fn from(secret: Secret) -> Self {
        Self::Standard(secret)
    }
}

impl From<SharedSecret> for Key {
    fn from(secret: SharedSecret) -> Self {
        Self::Shared(secret)
    }
}

impl Key {
    /// Reads a secret of this form.
    ///
    /// # Errors
    ///
    /// [`SecretError`] names the rule that the text breaks and never repeats the text.
    pub(super) fn parse(form: SecretForm, text: &str) -> Result<Self, SecretError> {
        match form {
            SecretForm::Standard => Secret::parse(text).map(Self::Standard),
            SecretForm::Text => SharedSecret::parse(text).map(Self::Shared),
            SecretForm::PublicKey => Secret::parse_public_key(text).map(Self::Standard),
        }
    }

    /// Like [`parse`](Self::parse), but also accepts the sloppy base64 and lengths that senders get away with.
    pub(super) fn parse_lenient(form: SecretForm, text: &str) -> Result<Self, SecretError> {
        match form {
            SecretForm::Standard => Secret::parse_lenient(text).map(Self::Standard),
            SecretForm::Text => SharedSecret::parse_lenient(text).map(Self::Shared),
            SecretForm::PublicKey => Secret::parse_public_key(text.trim()).map(Self::Standard),
        }
    }

    /// The secret as text; this is the only way to see it.
    #[must_use]
    pub fn expose(&self) -> String {
        match self {
            Self::Standard(secret) => secret.expose(),
            Self::Shared(secret) => secret.expose(),
        }
    }

    /// Whether it can sign, and not only verify.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        match self {
            Self::Standard(secret) => secret.can_sign(),
            Self::Shared(_) => true,
        }
    }

    /// The algorithm that it signs with in a scheme that uses `scheme`.
    pub(super) fn algorithm(&self, scheme: Algorithm) -> Algorithm {
        match self {
            Self::Standard(secret) if !matches!(secret.key(), secret::Key::Symmetric { .. }) => {
                Algorithm::Ed25519
            }
            _ => scheme,
        }
    }

    /// The signature of `parts`; `None` if it cannot make one.
    pub(super) fn sign(&self, algorithm: Algorithm, parts: &[&[u8]]) -> Option<Vec<u8>> {
        match (self, algorithm) {
            (Self::Standard(secret), Algorithm::Ed25519) => match secret.key() {
                secret::Key::Signing(signing) => {
                    Some(signing.multipart_sign(parts).to_bytes().to_vec())
                }
                secret::Key::Symmetric { .. } | secret::Key::Verifying(_) => None,
            },
            _ => self.shared_signature(algorithm, parts),
        }
    }

    /// What both sides can compute: an HMAC, or the token.
    fn shared_signature(&self, algorithm: Algorithm, parts: &[&[u8]]) -> Option<Vec<u8>> {
        match (self, algorithm) {
            (Self::Standard(secret), Algorithm::HmacSha256) => match secret.key() {
                secret::Key::Symmetric { keyed, .. } => Some(finish((**keyed).clone(), parts)),
                secret::Key::Signing(_) | secret::Key::Verifying(_) => None,
            },
            (Self::Shared(secret), Algorithm::HmacSha256) => {
                Some(finish(secret.hmac_sha256(), parts))
            }
            (Self::Shared(secret), _) => algorithm.mac(secret.bytes(), parts),
            (Self::Standard(_), _) => None,
        }
    }

    /// Whether it made one of the signatures; compared in constant time on the decoded bytes.
    pub(super) fn made_one_of(&self, offered: &[Offered], parts: &[&[u8]]) -> bool {
        // Computed only when needed, and once for all signatures.
        let (mut ours, mut whole) = (None, None);
        offered.iter().any(|theirs| match theirs.algorithm {
            Algorithm::Ed25519 => self.public_key().is_some_and(|key| {
                // The strict check needs the signed bytes in one piece.
                let whole = whole.get_or_insert_with(|| parts.concat());
                ed25519_dalek::Signature::from_slice(&theirs.bytes)
                    .is_ok_and(|signature| key.verify_strict(whole, &signature).is_ok())
            }),
            algorithm => ours
                .get_or_insert_with(|| self.shared_signature(algorithm, parts))
                .as_ref()
                .is_some_and(|ours: &Vec<u8>| ours.ct_eq(&theirs.bytes).into()),
        })
    }

    fn public_key(&self) -> Option<VerifyingKey> {
        let Self::Standard(secret) = self else {
            return None;
        };
        match secret.key() {
            secret::Key::Symmetric { .. } => None,
            secret::Key::Signing(key) => Some(key.verifying_key()),
            secret::Key::Verifying(key) => Some(**key),
        }
    }
}

impl Algorithm {
    /// The signature that a holder of these bytes as key would make; `None` for ed25519.
    ///
    /// For tools that try many keys; a [`Key`] is faster and more explicit.
    #[must_use]
    pub fn mac(self, key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
        const ANY_LENGTH: &str = "HMAC takes a key of any length";
        match self {
            Self::HmacSha256 => {
                let keyed = Hmac::<Sha256>::new_from_slice(key).expect(ANY_LENGTH);
                Some(finish(keyed, parts))
            }
            Self::HmacSha1 => {
                let keyed = Hmac::<Sha1>::new_from_slice(key).expect(ANY_LENGTH);
                Some(finish(keyed, parts))
            }
            Self::Token => Some(key.to_vec()),
            Self::Ed25519 => None,
        }
    }
}

fn finish(mut mac: impl Mac, parts: &[&[u8]]) -> Vec<u8> {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}
