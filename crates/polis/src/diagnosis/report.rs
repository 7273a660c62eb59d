//! The result of a diagnosis.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::Preset;

/// Whether a request is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Signed by an accepted secret, in time.
    Ok,
    /// Signed, but the signature is not accepted.
    Failed,
    /// There is no signature.
    Missing,
}

/// The kind of mistake that a finding names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A header is missing, repeated or malformed.
    Header,
    /// A secret that is no longer accepted matches.
    OldSecret,
    /// A secret of another scope matches.
    OtherSecret,
    /// The key was derived from the secret in another way.
    Key,
    /// The timestamp is too old, too far in the future, or not a number.
    Timestamp,
    /// The signature matches the body written as different JSON.
    Reserialised,
    /// The signature matches the body with or without a line end.
    Newline,
    /// The signature matches the body with other line ends.
    LineEnds,
    /// The body was changed.
    Body,
    /// Hex where base64 was expected, or the reverse.
    Encoding,
    /// A string other than the scheme's was signed.
    Content,
    /// Another URL was signed.
    Url,
    /// Nothing that was tried matches.
    Unknown,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of mistake.
    pub kind: FindingKind,
    /// A sentence for people.
    pub text: String,
}

impl Finding {
    pub(super) fn new(kind: FindingKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }
}

/// The findings about one request's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The scheme that was checked.
    pub preset: Preset,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict and its reason in one line.
    pub text: String,
    /// The findings, the most telling first.
    pub findings: Vec<Finding>,
    /// Which accepted secret signed it, counted from 1.
    pub secret: Option<usize>,
    /// How many secrets are accepted.
    pub secrets: usize,
    /// Seconds since the timestamp; negative if it is in the future.
    pub timestamp_age_s: Option<i64>,
    /// The part that is signed before the body, in base64.
    pub(crate) signed_prefix: String,
    /// Whether the body follows.
    pub(crate) body_is_signed: bool,
}

impl Diagnosis {
    pub(super) fn with_content(mut self, prefix: &[u8], body_is_signed: bool) -> Self {
        self.signed_prefix = STANDARD.encode(prefix);
        self.body_is_signed = body_is_signed;
        self
    }

    /// The exact bytes that must be signed.
    pub fn signed(&self, body: &[u8]) -> Vec<u8> {
        let mut signed = STANDARD.decode(&self.signed_prefix).unwrap_or_default();
        if self.body_is_signed {
            signed.extend_from_slice(body);
        }
        signed
    }

    /// Bytes of memory besides the struct.
    pub(crate) fn cost(&self) -> usize {
        let findings: usize = self.findings.iter().map(|f| f.text.len() + 32).sum();
        self.text.len() + self.signed_prefix.len() + findings
    }
}
