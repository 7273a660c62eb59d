//! Why a signature is valid or not.
//!
//! A verifier says no; this module says why: it recomputes the signature with other secrets,
//! other keys, other bodies and other contents until one matches the received signature, and names
//! the difference. It judges only signatures, and is given the time.

mod arrived;
mod challenge;
mod claims;
mod preset;
mod report;
mod search;
mod secret;
mod sign;
mod time;
mod twilio;
mod variants;

pub(crate) use challenge::challenge;
pub use preset::Preset;
pub(crate) use preset::{preset_names, preset_of};
pub use report::{Diagnosis, Finding, FindingKind, Verdict};
pub use search::diagnose;
pub(crate) use search::signed_body;
pub use secret::{SecretFault, SigningSecret};
pub use sign::{SignError, ToSign, sign};
pub(crate) use twilio::with_body_hash;

use std::time::Duration;

/// How far a timestamp may be off, in both directions.
pub(crate) const TOLERANCE: Duration = webhooks_core::scheme::TOLERANCE_DEFAULT;

/// How signatures are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The sender's scheme.
    pub preset: Preset,
    /// Secrets that are accepted.
    pub secrets: Vec<SigningSecret>,
    /// Secrets that are no longer accepted; a match is reported, not accepted.
    pub old_secrets: Vec<SigningSecret>,
    /// The URL at which senders reach polis, for schemes that sign it.
    pub public_url: Option<String>,
    /// Whether a request that is not verified is answered 401.
    pub enforce: bool,
}
