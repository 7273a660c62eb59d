//! Why a request is refused: precise for the log, but without any value that a stranger sent.

use std::time::Duration;

/// Why a webhook was refused. Log it; do not send it to the caller.
///
/// No variant repeats a header's value: it is a stranger's text, of a stranger's length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The request is not signed.
    #[error("the header `{name}` is missing")]
    MissingHeader {
        /// The header's name.
        name: &'static str,
    },

    /// The same header occurs more than once: another reader of the request might use a different one.
    #[error("the header `{name}` occurs {count} times; it may occur once")]
    DuplicateHeader {
        /// The header's name.
        name: &'static str,
        /// How often it occurs.
        count: usize,
    },

    /// A header that contains something other than visible ASCII.
    #[error("the header `{name}` holds bytes that are not visible ASCII")]
    NotText {
        /// The header's name.
        name: &'static str,
    },

    /// A header longer than any honest one.
    #[error("the header `{name}` is {bytes} bytes; the limit is {limit}")]
    HeaderTooLong {
        /// The header's name.
        name: &'static str,
        /// Its length.
        bytes: usize,
        /// The maximum number of bytes accepted.
        limit: usize,
    },

    /// A header that does not have the form its format prescribes.
    #[error("the header `{name}` is malformed: {problem}")]
    Malformed {
        /// The header's name.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// More signatures than a rotation needs; each one costs work.
    #[error("the header `{name}` lists more than {limit} signatures")]
    TooManySignatures {
        /// The header's name.
        name: &'static str,
        /// The maximum number of signatures accepted.
        limit: usize,
    },

    /// Well-formed, but not made with any of the secrets, or made for another body.
    #[error(
        "no signature matched ({signatures} signatures, {secrets} secrets); check that both sides use the same secret and that the body reaches the verifier unchanged"
    )]
    NoSignatureMatched {
        /// How many usable signatures the request carried.
        signatures: usize,
        /// How many secrets each was tried with.
        secrets: usize,
    },

    /// Genuine, but from too long ago: a replayed recording, or a clock that is wrong.
    #[error("the timestamp is {} s old; the limit is {} s", age.as_secs(), limit.as_secs())]
    TooOld {
        /// How long ago it was signed.
        age: Duration,
        /// The tolerance.
        limit: Duration,
    },

    /// Genuine, but from the future: one of the two clocks is wrong.
    #[error("the timestamp is {} s in the future; the limit is {} s", ahead.as_secs(), limit.as_secs())]
    TooNew {
        /// How far ahead of our clock it was signed.
        ahead: Duration,
        /// The tolerance.
        limit: Duration,
    },

    /// Twilio's `bodySHA256` is signed, but the body is another one.
    #[error("the body does not have the hash that the signed url gives (`bodySHA256`)")]
    BodyHashDiffers,

    /// A body that Twilio's signature does not cover: not a form, and no `bodySHA256` in the URL.
    #[error("the body is not a form and the url has no `bodySHA256`, so nothing signs it")]
    BodyNotSigned,

    /// A genuine body that does not say when it was signed.
    #[error("the body has no `{field}` in milliseconds since 1970, so its age is not known")]
    NoBodyTime {
        /// The field's name.
        field: &'static str,
    },

    /// More form fields than Twilio sends; each one costs work.
    #[error("the form has more than {limit} fields")]
    TooManyFields {
        /// The maximum number of fields accepted.
        limit: usize,
    },

    /// Twilio signs the URL, which `verify` does not know.
    #[error("twilio signs the url too; call `verify_url`, or use an extractor")]
    UrlNeeded,

    /// A verifier without secrets accepts nothing.
    #[error("the verifier has no secrets; give it at least one")]
    NoSecrets,
}
