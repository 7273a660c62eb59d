//! Why a secret is refused. No variant holds the value.

/// Why a text is not a usable secret; says which rule it breaks, never the text itself.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Empty, or only white space: an empty key would let anyone sign.
    #[error("the secret is empty; generate one or copy it from the sender")]
    Empty,

    /// Spaces or a line break before or after the secret, as left by copying and by `$(cat file)`.
    #[error("the secret has white space before or after it; remove it")]
    SurroundingSpace,

    /// Not one of the three prefixes.
    #[error(
        "the secret does not start with `whsec_` (symmetric), `whsk_` (ed25519, signs) or `whpk_` (ed25519, verifies)"
    )]
    UnknownPrefix,

    /// What follows the prefix is not standard, padded base64.
    #[error("what follows `{prefix}` in the secret is not standard base64 with its padding")]
    NotBase64 {
        /// The secret's prefix.
        prefix: &'static str,
    },

    /// Not an ed25519 public key in hexadecimal.
    #[error(
        "the public key has {characters} characters; it must be 64 hexadecimal digits, or a `whpk_` key"
    )]
    NotHex {
        /// Its length.
        characters: usize,
    },

    /// Fewer bytes than the kind needs.
    #[error("the `{prefix}` secret is {bytes} bytes; it needs at least {limit}")]
    TooShort {
        /// The secret's prefix.
        prefix: &'static str,
        /// Its length once decoded.
        bytes: usize,
        /// The fewest bytes accepted.
        limit: usize,
    },

    /// More bytes than the kind can have.
    #[error("the `{prefix}` secret is {bytes} bytes; the limit is {limit}")]
    TooLong {
        /// The secret's prefix.
        prefix: &'static str,
        /// Its length once decoded.
        bytes: usize,
        /// The maximum number of bytes accepted.
        limit: usize,
    },

    /// The public key in a `whsk_` does not belong to its seed.
    #[error(
        "the two halves of the `whsk_` secret do not match: the last 32 bytes must be the public key of the first 32"
    )]
    HalvesDiffer,

    /// A `whpk_` that is not a point on the curve.
    #[error("the `whpk_` secret is not an ed25519 public key")]
    NotOnCurve,

    /// A `whpk_` of small order: for such a key, signatures that fit any body can be made.
    #[error(
        "the `whpk_` secret is a weak ed25519 key, for which anyone can make signatures; generate another pair"
    )]
    WeakKey,

    /// A [`SharedSecret`](crate::SharedSecret) longer than any that a provider issues.
    #[error("the shared secret is {bytes} bytes; the limit is {limit}")]
    SharedTooLong {
        /// Its length.
        bytes: usize,
        /// The maximum number of bytes accepted.
        limit: usize,
    },
}

crate::error_text::debug_is_display!(SecretError);
