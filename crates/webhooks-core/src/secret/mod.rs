//! The secrets that webhooks are signed and verified with.
//!
//! Owns their text forms, their validation and their memory: a secret is parsed once, its key schedule is computed
//! once, all clones share one allocation, and that allocation is wiped when the last clone is dropped. Nothing
//! prints a secret: `Debug` prints `Secret(..)`, there is no `Display` and no `Serialize`, and no error repeats
//! the value. [`Secret::expose`] is the only way to see one.

pub(crate) mod error;
pub(crate) mod shared;

pub use error::SecretError;
pub use shared::SharedSecret;

use std::{fmt, str::FromStr, sync::Arc};

use base64::{
    Engine as _,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const SYMMETRIC_PREFIX: &str = "whsec_";
const SIGNING_PREFIX: &str = "whsk_";
const VERIFYING_PREFIX: &str = "whpk_";

/// Standard Webhooks asks for 24 to 64 random bytes: fewer can be guessed, more add nothing to
/// HMAC-SHA256, whose block is 64 bytes.
const SYMMETRIC_MIN_BYTES: usize = 24;
const SYMMETRIC_MAX_BYTES: usize = 64;

/// As many bytes as SHA-256 produces, which is the length that RFC 2104 recommends for an HMAC key.
const GENERATED_BYTES: usize = 32;

/// An ed25519 signing key is written as its seed followed by its public key.
const KEYPAIR_BYTES: usize = ed25519_dalek::KEYPAIR_LENGTH;
const PUBLIC_KEY_BYTES: usize = ed25519_dalek::PUBLIC_KEY_LENGTH;

/// Accepts both padded and unpadded input: people copy secrets with and without it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A Standard Webhooks secret: symmetric (`whsec_`), ed25519 signing (`whsk_`) or ed25519
/// verifying (`whpk_`).
///
/// Clones share one allocation, so cloning only increments a counter and leaves no second copy in memory.
/// Comparing two secrets takes the same time wherever they differ.
///
/// ```
/// use webhooks_core::Secret;
///
/// let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert_eq!(secret.expose(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
/// # Ok::<(), webhooks_core::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secret {
    key: Arc<Key>,
}

/// What a [`Secret`] can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// `whsec_`: signs and verifies `v1` (HMAC-SHA256); sender and receiver hold the same bytes.
    Symmetric,
    /// `whsk_`: signs `v1a` (ed25519) and, since it holds the public key too, verifies it.
    Signing,
    /// `whpk_`: verifies `v1a` and signs nothing; safe to hand to a receiver.
    Verifying,
}

pub(crate) enum Key {
    Symmetric {
        bytes: Zeroizing<Vec<u8>>,
        /// HMAC with the key already absorbed: a signature clones this instead of hashing the key pads again,
        /// which saves two of the four compressions that a small body costs. Boxed to keep the enum small.
        keyed: Box<Hmac<Sha256>>,
    },
    Signing(Box<SigningKey>),
    Verifying(Box<VerifyingKey>),
}

impl Secret {
    /// Generates a new symmetric secret (`whsec_`) of 32 bytes with the operating system's random number
    /// generator.
    ///
    /// # Panics
    ///
    /// If the operating system cannot provide random numbers; nothing safe can be done then.
    #[must_use]
    pub fn generate() -> Self {
        Self::symmetric(random_bytes().to_vec())
    }

    /// Generates a new ed25519 signing secret (`whsk_`). Give its [`public_half`](Self::public_half) to the
    /// receiver.
    ///
    /// # Panics
    ///
    /// As [`generate`](Self::generate).
    #[must_use]
    pub fn generate_ed25519() -> Self {
        Self::from_key(Key::Signing(Box::new(SigningKey::from_bytes(
            &random_bytes(),
        ))))
    }

    /// Reads a secret from its text form.
    ///
    /// # Errors
    ///
    /// [`SecretError`] names the rule that the text breaks and never repeats the text. Show it to
    /// whoever typed or configured the secret.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.trim().is_empty() {
            return Err(SecretError::Empty);
        }
        if text.trim().len() != text.len() {
            return Err(SecretError::SurroundingSpace);
        }
        if let Some(encoded) = text.strip_prefix(SYMMETRIC_PREFIX) {
            Self::parse_symmetric(encoded)
        } else if let Some(encoded) = text.strip_prefix(SIGNING_PREFIX) {
            Self::parse_signing(encoded)
        } else if let Some(encoded) = text.strip_prefix(VERIFYING_PREFIX) {
            Self::parse_verifying(encoded)
        } else {
            Err(SecretError::UnknownPrefix)
        }
    }

    /// Like [`parse`](Self::parse), but accepts a symmetric key of any length except zero, with or without
    /// `whsec_`, base64 with or without padding, and uses a text that is not base64 as the key itself: for tools
    /// that must try whatever a sender has.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_lenient(text: &str) -> Result<Self, SecretError> {
        if text.starts_with(SIGNING_PREFIX) || text.starts_with(VERIFYING_PREFIX) {
            let bare = text.trim_end_matches('=');
            let encoded_bytes = bare.len() - SIGNING_PREFIX.len();
            let padding = "=".repeat(encoded_bytes.next_multiple_of(4) - encoded_bytes);
            return Self::parse(&format!("{bare}{padding}"));
        }
        let encoded = text.strip_prefix(SYMMETRIC_PREFIX);
        let bytes = match (LENIENT.decode(encoded.unwrap_or(text)), encoded) {
            (Ok(bytes), _) => bytes,
            (Err(_), None) => text.as_bytes().to_vec(),
            (Err(_), Some(_)) => {
                return Err(SecretError::NotBase64 {
                    prefix: SYMMETRIC_PREFIX,
                });
            }
        };
        if bytes.is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(Self::symmetric(bytes))
    }

    /// Reads an ed25519 public key in hexadecimal, as Discord shows it, or a `whpk_` or `whsk_`.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and [`SecretError::NotHex`].
    pub fn parse_public_key(text: &str) -> Result<Self, SecretError> {
        if text.starts_with(SIGNING_PREFIX) || text.starts_with(VERIFYING_PREFIX) {
            return Self::parse(text);
        }
        if text.trim().is_empty() {
            return Err(SecretError::Empty);
        }
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| SecretError::NotHex {
            characters: text.chars().count(),
        })?;
        Self::verifying(&bytes)
    }

    fn parse_symmetric(encoded: &str) -> Result<Self, SecretError> {
        let bytes = decode(SYMMETRIC_PREFIX, encoded, SYMMETRIC_MAX_BYTES)?;
        match bytes.len() {
            ..SYMMETRIC_MIN_BYTES => Err(SecretError::TooShort {
                prefix: SYMMETRIC_PREFIX,
                bytes: bytes.len(),
                limit: SYMMETRIC_MIN_BYTES,
            }),
            _ => Ok(Self::symmetric(bytes)),
        }
    }

    fn parse_signing(encoded: &str) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(decode_exactly::<KEYPAIR_BYTES>(SIGNING_PREFIX, encoded)?);
        let mut seed = Zeroizing::new([0_u8; ed25519_dalek::SECRET_KEY_LENGTH]);
        let (seed_bytes, public_bytes) = bytes.split_at(ed25519_dalek::SECRET_KEY_LENGTH);
        seed.copy_from_slice(seed_bytes);
        let signing = SigningKey::from_bytes(&seed);
        // Signing with a public key that is not the seed's own would let anyone who sees two such signatures
        // compute the private key.
        if signing.verifying_key().as_bytes().as_slice() != public_bytes {
            return Err(SecretError::HalvesDiffer);
        }
        Ok(Self::from_key(Key::Signing(Box::new(signing))))
    }

    fn parse_verifying(encoded: &str) -> Result<Self, SecretError> {
        let bytes = decode_exactly::<PUBLIC_KEY_BYTES>(VERIFYING_PREFIX, encoded)?;
        Self::verifying(&bytes)
    }

    fn verifying(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, SecretError> {
        let verifying = VerifyingKey::from_bytes(bytes).map_err(|_| SecretError::NotOnCurve)?;
        if verifying.is_weak() {
            return Err(SecretError::WeakKey);
        }
        Ok(Self::from_key(Key::Verifying(Box::new(verifying))))
    }

    fn symmetric(bytes: Vec<u8>) -> Self {
        let keyed = Box::new(hmac_sha256(&bytes));
        let bytes = Zeroizing::new(bytes);
        Self::from_key(Key::Symmetric { bytes, keyed })
    }

    fn from_key(key: Key) -> Self {
        Self { key: Arc::new(key) }
    }

    /// The text form, including the prefix; this is the only way to see a secret. Show it once, to its owner.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut text = String::with_capacity(SIGNING_PREFIX.len() + KEYPAIR_BYTES * 4 / 3 + 4);
        match &*self.key {
            Key::Symmetric { bytes, .. } => {
                text.push_str(SYMMETRIC_PREFIX);
                STANDARD.encode_string(bytes.as_slice(), &mut text);
            }
            Key::Signing(signing) => {
                text.push_str(SIGNING_PREFIX);
                let pair = Zeroizing::new(signing.to_keypair_bytes());
                STANDARD.encode_string(pair.as_slice(), &mut text);
            }
            Key::Verifying(verifying) => {
                text.push_str(VERIFYING_PREFIX);
                STANDARD.encode_string(verifying.as_bytes(), &mut text);
            }
        }
        text
    }

    /// What this secret can do.
    #[must_use]
    pub fn kind(&self) -> SecretKind {
        match *self.key {
            Key::Symmetric { .. } => SecretKind::Symmetric,
            Key::Signing(_) => SecretKind::Signing,
            Key::Verifying(_) => SecretKind::Verifying,
        }
    }

    /// Whether it can sign: a `whpk_` cannot, so refuse one where webhooks are sent.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.kind() != SecretKind::Verifying
    }

    /// The `whpk_` that verifies this secret's signatures; `None` for a symmetric secret, which has no public
    /// half.
    #[must_use]
    pub fn public_half(&self) -> Option<Self> {
        match &*self.key {
            Key::Symmetric { .. } => None,
            Key::Signing(signing) => Some(Self::from_key(Key::Verifying(Box::new(
                signing.verifying_key(),
            )))),
            Key::Verifying(_) => Some(self.clone()),
        }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (&*self.key, &*other.key) {
            (Key::Symmetric { bytes: a, .. }, Key::Symmetric { bytes: b, .. }) => {
                a.as_slice().ct_eq(b.as_slice()).into()
            }
            (Key::Signing(a), Key::Signing(b)) => a.as_bytes().ct_eq(b.as_bytes()).into(),
            (Key::Verifying(a), Key::Verifying(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Secret {}

fn random_bytes() -> Zeroizing<[u8; GENERATED_BYTES]> {
    let mut bytes = Zeroizing::new([0_u8; GENERATED_BYTES]);
    SysRng
        .try_fill_bytes(bytes.as_mut_slice())
        .expect("the operating system gives random bytes");
    bytes
}

fn hmac_sha256(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// Decodes standard base64; input that is longer than `limit` bytes is refused before any work.
fn decode(prefix: &'static str, encoded: &str, limit: usize) -> Result<Vec<u8>, SecretError> {
    let too_long = |bytes| SecretError::TooLong {
        prefix,
        bytes,
        limit,
    };
    let at_most = base64::decoded_len_estimate(encoded.len());
    if at_most > limit + 3 {
        return Err(too_long(at_most));
    }
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| SecretError::NotBase64 { prefix })?;
    if bytes.len() > limit {
        Err(too_long(bytes.len()))
    } else {
        Ok(bytes)
    }
}

fn decode_exactly<const N: usize>(
    prefix: &'static str,
    encoded: &str,
) -> Result<[u8; N], SecretError> {
    let bytes = Zeroizing::new(decode(prefix, encoded, N)?);
    bytes
        .as_slice()
        .try_into()
        .map_err(|_| SecretError::TooShort {
            prefix,
            bytes: bytes.len(),
            limit: N,
        })
}
