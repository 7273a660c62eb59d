//! Secrets and credentials at rest: encrypted ("sealed") with XChaCha20-Poly1305 if a key is configured.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

/// The first byte of a stored value says how it is stored.
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Encrypts what must not be readable in a copied database file.
pub(crate) struct Seal(Option<XChaCha20Poly1305>);

/// A stored value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("they are encrypted; provide the key they were encrypted with")]
    NoKey,
    #[error("they are encrypted with another key, or were changed")]
    WrongKey,
    #[error("a stored value is empty or of an unknown form")]
    Form,
}

impl Seal {
    pub(crate) fn new(key: Option<&[u8; 32]>) -> Self {
        Self(key.map(|key| XChaCha20Poly1305::new(key.into())))
    }

    /// `place` binds a value to its location, so that the values of two rows cannot be swapped.
    pub(crate) fn seal(&self, value: &[u8], place: &str) -> Vec<u8> {
        let Some(cipher) = &self.0 else {
            return [&[PLAIN], value].concat();
        };
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload {
            msg: value,
            aad: place.as_bytes(),
        };
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("only a value of 256 GiB is refused by the cipher");
        [&[SEALED], &nonce[..], &sealed].concat()
    }

    pub(crate) fn open(&self, stored: &[u8], place: &str) -> Result<Vec<u8>, SealError> {
        match stored.split_first() {
            Some((&PLAIN, value)) => Ok(value.to_vec()),
            Some((&SEALED, rest)) if rest.len() > NONCE_BYTES => {
                let cipher = self.0.as_ref().ok_or(SealError::NoKey)?;
                let (nonce, sealed) = rest.split_at(NONCE_BYTES);
                let nonce = XNonce::try_from(nonce).map_err(|_| SealError::Form)?;
                let payload = Payload {
                    msg: sealed,
                    aad: place.as_bytes(),
                };
                cipher
                    .decrypt(&nonce, payload)
                    .map_err(|_| SealError::WrongKey)
            }
            _ => Err(SealError::Form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_at_its_place_only() {
        let seal = Seal::new(Some(&[7; 32]));
        let stored = seal.seal(b"planted", "endpoint ep_1");
        assert!(!stored.windows(7).any(|window| window == b"planted"));
        assert_eq!(seal.open(&stored, "endpoint ep_1").unwrap(), b"planted");
        assert_eq!(
            seal.open(&stored, "endpoint ep_2"),
            Err(SealError::WrongKey)
        );
        assert_eq!(
            Seal::new(Some(&[8; 32])).open(&stored, "endpoint ep_1"),
            Err(SealError::WrongKey)
        );
        assert_eq!(
            Seal::new(None).open(&stored, "endpoint ep_1"),
            Err(SealError::NoKey)
        );
        let plain = Seal::new(None).seal(b"value", "x");
        assert_eq!(
            seal.open(&plain, "x").unwrap(),
            b"value",
            "a key can be configured later"
        );
        assert_eq!(seal.open(&[], "x"), Err(SealError::Form));
    }
}
