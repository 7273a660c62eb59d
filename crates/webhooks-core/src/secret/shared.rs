//! Secrets of other systems: any string, used as the HMAC key byte for byte.

use std::{fmt, str::FromStr, sync::Arc};

use hmac::Hmac;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{error::SecretError, hmac_sha256};

/// Longer than any key that a provider issues; limits how much configuration can make us hold.
const MAX_BYTES: usize = 1024;

/// A secret as GitHub, Stripe, Slack and most other providers use it: the characters themselves are the
/// key, whatever they look like.
///
/// Stripe's begins with `whsec_` too and is nevertheless used whole, not decoded; that is why it
/// is not a [`Secret`](crate::Secret).
///
/// ```
/// use webhooks_core::SharedSecret;
///
/// let secret: SharedSecret = "It's a Secret to Everybody".parse()?;
/// assert_eq!(format!("{secret:?}"), "SharedSecret(..)");
/// # Ok::<(), webhooks_core::SecretError>(())
/// ```
#[derive(Clone)]
pub struct SharedSecret {
    key: Arc<SharedKey>,
}

struct SharedKey {
    text: Zeroizing<String>,
    keyed: Hmac<Sha256>,
}

impl SharedSecret {
    /// Takes a secret in the form in which the provider shows it.
    ///
    /// # Errors
    ///
    /// [`SecretError::Empty`] if it is empty or only white space, [`SecretError::SurroundingSpace`], and
    /// [`SecretError::SharedTooLong`] above 1024 bytes.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.trim().is_empty() {
            return Err(SecretError::Empty);
        }
        if text.trim().len() != text.len() {
            return Err(SecretError::SurroundingSpace);
        }
        Self::parse_lenient(text)
    }

    /// Like [`parse`](Self::parse), but accepts white space around it: for tools that must try whatever a sender
    /// has.
    pub(crate) fn parse_lenient(text: &str) -> Result<Self, SecretError> {
        if text.trim().is_empty() {
            return Err(SecretError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(SecretError::SharedTooLong {
                bytes: text.len(),
                limit: MAX_BYTES,
            });
        }
        let keyed = hmac_sha256(text.as_bytes());
        let text = Zeroizing::new(text.to_owned());
        Ok(Self {
            key: Arc::new(SharedKey { text, keyed }),
        })
    }

    /// The secret itself; this is the only way to see it.
    #[must_use]
    pub fn expose(&self) -> String {
        self.key.text.to_string()
    }

    /// HMAC-SHA256 with this key already absorbed.
    pub(crate) fn hmac_sha256(&self) -> Hmac<Sha256> {
        self.key.keyed.clone()
    }

    /// The key, for the providers that do not use SHA-256.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.key.text.as_bytes()
    }
}

impl FromStr for SharedSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        Self::parse(text)
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

impl PartialEq for SharedSecret {
    fn eq(&self, other: &Self) -> bool {
        self.key
            .text
            .as_bytes()
            .ct_eq(other.key.text.as_bytes())
            .into()
    }
}

impl Eq for SharedSecret {}
