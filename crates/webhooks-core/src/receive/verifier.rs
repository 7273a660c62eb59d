//! The verifier: which scheme, which secrets, how much tolerance; what a check proves.
//!
//! A check goes through the headers, then the signature over the raw bytes, then the time, in this
//! order: until the signature matches, the timestamp is only what a stranger says it is.

use super::{VerifyError, body_only, slack, standard, stripe, twilio};
use crate::secret::{Secret, SharedSecret};
use hmac::Mac;
use http::HeaderMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;
use url::Url;

/// How far a timestamp may lie from our clock, either way, as Standard Webhooks advises.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// The largest body an extractor reads: far above Standard Webhooks' advice of 20 kB, and small
/// enough to hold a thousand at once.
pub const DEFAULT_BODY_LIMIT_BYTES: usize = 256 * 1024;

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Checks that a request was signed with one of its secrets, recently, over exactly this body.
///
/// Cheap to clone; use it as axum state. See [the module](super) for what each provider signs.
///
/// ```
/// use http::HeaderMap;
/// use webhooks_core::receive::{Verifier, VerifyError};
///
/// let verifier = Verifier::github(["It's a Secret to Everybody".parse()?]);
/// let mut headers = HeaderMap::new();
/// headers.insert(
///     "x-hub-signature-256",
///     "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".parse()?,
/// );
///
/// assert!(verifier.verify(&headers, b"Hello, World!").is_ok());
/// assert_eq!(
///     verifier.verify(&headers, b"Hello, Moon!"),
///     Err(VerifyError::NoSignatureMatched { signatures: 1, secrets: 1 })
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    scheme: Arc<Scheme>,
    tolerance: Duration,
    body_limit_bytes: usize,
    clock: Clock,
}

enum Scheme {
    Standard(Vec<Secret>),
    GitHub(Vec<SharedSecret>),
    Stripe(Vec<SharedSecret>),
    Slack(Vec<SharedSecret>),
    Shopify(Vec<SharedSecret>),
    Twilio {
        tokens: Vec<SharedSecret>,
        public_url: String,
    },
}

/// What a successful check proved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The id that the signature covers; `None` for every provider but Standard Webhooks.
    pub id: Option<String>,
    /// When it was signed, within the tolerance; `None` for GitHub, Shopify and Twilio.
    pub timestamp: Option<SystemTime>,
    /// Which of the verifier's secrets matched, counted from 0: tells when a rotation is through.
    pub secret_index: usize,
    /// The id in GitHub's or Shopify's header. **Not signed**: whoever repeats a recorded request
    /// can write anything here.
    pub unsigned_id: Option<String>,
    /// The event type in GitHub's or Shopify's header. **Not signed** either.
    pub unsigned_event_type: Option<String>,
}

/// What a scheme found, before the time is judged.
#[derive(Default)]
pub(super) struct Signed {
    pub(super) secret_index: usize,
    pub(super) id: Option<String>,
    pub(super) timestamp_s: Option<u64>,
    pub(super) unsigned_id: Option<String>,
    pub(super) unsigned_event_type: Option<String>,
}

impl Verifier {
    /// Standard Webhooks, with `webhook-*` or `svix-*` headers: `whsec_` secrets verify `v1`,
    /// `whpk_` (and `whsk_`) verify `v1a`.
    pub fn standard(secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self::new(Scheme::Standard(secrets.into_iter().collect()))
    }

    /// GitHub's `X-Hub-Signature-256`. A `ping` comes first; the event type is in
    /// [`Verification::unsigned_event_type`].
    pub fn github(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::new(Scheme::GitHub(secrets.into_iter().collect()))
    }

    /// Stripe's `Stripe-Signature`. The secret begins with `whsec_` and is used as it is.
    pub fn stripe(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::new(Scheme::Stripe(secrets.into_iter().collect()))
    }

    /// Slack's `X-Slack-Signature`. Its first request wants
    /// [an answer](super::VerifiedBody::slack_challenge).
    pub fn slack(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::new(Scheme::Slack(secrets.into_iter().collect()))
    }

    /// Shopify's `X-Shopify-Hmac-SHA256`.
    pub fn shopify(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::new(Scheme::Shopify(secrets.into_iter().collect()))
    }

    /// Twilio's `X-Twilio-Signature`, for forms and for JSON with `bodySHA256`.
    ///
    /// Twilio signs the URL it was given. `public_url` is its beginning as the world sees it
    /// (scheme, host, perhaps a port and the path that a proxy removes); the extractors add the
    /// request's own path and query. With [`verify_url`](Self::verify_url) it is not used.
    pub fn twilio(tokens: impl IntoIterator<Item = SharedSecret>, public_url: &Url) -> Self {
        let mut public_url = public_url.clone();
        public_url.set_query(None);
        public_url.set_fragment(None);
        let public_url = public_url.as_str().trim_end_matches('/').to_owned();
        Self::new(Scheme::Twilio {
            tokens: tokens.into_iter().collect(),
            public_url,
        })
    }

    fn new(scheme: Scheme) -> Self {
        Self {
            scheme: Arc::new(scheme),
            tolerance: DEFAULT_TOLERANCE,
            body_limit_bytes: DEFAULT_BODY_LIMIT_BYTES,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// How far a timestamp may lie from our clock, in whole seconds either way; 300 s by default.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The largest body that the extractors read; 256 KiB by default.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit_bytes = bytes;
        self
    }

    /// Where "now" comes from; the system's clock by default.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Checks a request by its headers and its body as received: the raw bytes, not a parsed and
    /// re-written copy.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says why. Answer 401 or 400 and tell the caller nothing;
    /// [`Verified`](super::Verified) does.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Verification, VerifyError> {
        self.verify_at(headers, body, (self.clock)())
    }

    /// As [`verify`](Self::verify), at a moment of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_at(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Verification, VerifyError> {
        self.check(None, headers, body, now)
    }

    /// As [`verify`](Self::verify) for Twilio, which signs the whole `url` that it was given; other
    /// schemes do not look at it.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_url(
        &self,
        url: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verification, VerifyError> {
        self.check(Some(url), headers, body, (self.clock)())
    }

    /// As [`verify`](Self::verify), for a request to `path_and_query` of this server.
    pub(super) fn verify_path(
        &self,
        path_and_query: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verification, VerifyError> {
        match &*self.scheme {
            Scheme::Twilio { public_url, .. } => {
                self.verify_url(&format!("{public_url}{path_and_query}"), headers, body)
            }
            _ => self.verify(headers, body),
        }
    }

    pub(super) fn body_limit_bytes(&self) -> usize {
        self.body_limit_bytes
    }

    fn check(
        &self,
        url: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Verification, VerifyError> {
        if self.secrets() == 0 {
            return Err(VerifyError::NoSecrets);
        }
        let signed = match &*self.scheme {
            Scheme::Standard(secrets) => standard::check(secrets, headers, body),
            Scheme::GitHub(secrets) => body_only::check_github(secrets, headers, body),
            Scheme::Stripe(secrets) => stripe::check(secrets, headers, body),
            Scheme::Slack(secrets) => slack::check(secrets, headers, body),
            Scheme::Shopify(secrets) => body_only::check_shopify(secrets, headers, body),
            Scheme::Twilio { tokens, .. } => {
                twilio::check(tokens, url.ok_or(VerifyError::UrlNeeded)?, headers, body)
            }
        }?;
        let timestamp = match signed.timestamp_s {
            Some(timestamp_s) => Some(self.judge_time(timestamp_s, now)?),
            None => None,
        };
        Ok(Verification {
            id: signed.id,
            timestamp,
            secret_index: signed.secret_index,
            unsigned_id: signed.unsigned_id,
            unsigned_event_type: signed.unsigned_event_type,
        })
    }

    fn judge_time(&self, timestamp_s: u64, now: SystemTime) -> Result<SystemTime, VerifyError> {
        let limit = self.tolerance;
        // A clock before 1970 is one that was never set; everything is then in the future.
        let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let age_s = now_s.saturating_sub(timestamp_s);
        if age_s > limit.as_secs() {
            return Err(VerifyError::TooOld {
                age: Duration::from_secs(age_s),
                limit,
            });
        }
        let ahead_s = timestamp_s.saturating_sub(now_s);
        let ahead = Duration::from_secs(ahead_s);
        if ahead_s > limit.as_secs() {
            return Err(VerifyError::TooNew { ahead, limit });
        }
        // Only a tolerance of ages lets a timestamp through that `SystemTime` cannot hold.
        UNIX_EPOCH
            .checked_add(Duration::from_secs(timestamp_s))
            .ok_or(VerifyError::TooNew { ahead, limit })
    }

    fn secrets(&self) -> usize {
        match &*self.scheme {
            Scheme::Standard(secrets) => secrets.len(),
            Scheme::GitHub(secrets)
            | Scheme::Stripe(secrets)
            | Scheme::Slack(secrets)
            | Scheme::Shopify(secrets)
            | Scheme::Twilio {
                tokens: secrets, ..
            } => secrets.len(),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &*self.scheme {
            Scheme::Standard(_) => "standard",
            Scheme::GitHub(_) => "github",
            Scheme::Stripe(_) => "stripe",
            Scheme::Slack(_) => "slack",
            Scheme::Shopify(_) => "shopify",
            Scheme::Twilio { .. } => "twilio",
        };
        f.debug_struct("Verifier")
            .field("scheme", &scheme)
            .field("secrets", &self.secrets())
            .field("tolerance", &self.tolerance)
            .field("body_limit_bytes", &self.body_limit_bytes)
            .finish_non_exhaustive()
    }
}

/// Which secret made one of `signatures` over `parts`: every signature is tried with every secret,
/// each comparison in constant time on the decoded bytes.
pub(super) fn first_hmac_match(
    secrets: &[SharedSecret],
    parts: &[&[u8]],
    signatures: &[[u8; 32]],
) -> Result<usize, VerifyError> {
    secrets
        .iter()
        .position(|secret| {
            let mut mac = secret.hmac_sha256();
            for part in parts {
                mac.update(part);
            }
            let ours = mac.finalize().into_bytes();
            signatures
                .iter()
                .any(|theirs| ours.as_slice().ct_eq(theirs).into())
        })
        .ok_or(VerifyError::NoSignatureMatched {
            signatures: signatures.len(),
            secrets: secrets.len(),
        })
}
