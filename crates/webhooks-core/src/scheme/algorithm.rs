//! The algorithm of a signature, the encoding of its bytes, and the form of its secret.

/// How the bytes of a signature are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal; lower case when we write it.
    Hex,
    /// Standard base64 with padding.
    Base64,
    /// Not encoded: a token.
    Text,
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Text => "text",
        })
    }
}

impl Encoding {
    /// The bytes as text.
    #[must_use]
    pub fn write(self, bytes: &[u8]) -> String {
        use base64::Engine as _;
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => base64::engine::general_purpose::STANDARD.encode(bytes),
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// The algorithm that makes a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-1.
    HmacSha1,
    /// ed25519, verified by a public key.
    Ed25519,
    /// None: the secret itself is sent with the request, and nothing is signed.
    Token,
}

impl Algorithm {
    /// The length of its signatures in bytes; `None` for a token.
    #[must_use]
    pub fn signature_bytes(self) -> Option<usize> {
        match self {
            Self::HmacSha256 => Some(32),
            Self::HmacSha1 => Some(20),
            Self::Ed25519 => Some(64),
            Self::Token => None,
        }
    }
}

/// What the secrets of a scheme look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// `whsec_`, `whsk_` or `whpk_` and base64.
    Standard,
    /// Any text, used unchanged.
    Text,
    /// An ed25519 public key in hexadecimal; for signing, a `whsk_`.
    PublicKey,
}
