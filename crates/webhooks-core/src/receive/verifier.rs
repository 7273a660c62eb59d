//! The verifier: which provider, which secrets and how much tolerance, and what a successful check proves.
//!
//! A check looks at the headers, then at the signature over the raw bytes, then at the time, in this order: until
//! the signature matches, the timestamp is only a stranger's claim.

use crate::scheme::{
    Challenge, Key, Provider, Request, TOLERANCE_DEFAULT, VerifyError, judge_time,
};
use crate::secret::{Secret, SecretError, SharedSecret};
use http::HeaderMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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
    provider: Provider,
    keys: Arc<[Key]>,
    public_url: Option<Arc<str>>,
    tolerance: Duration,
    body_limit_bytes: usize,
    clock: Clock,
}

/// What a successful check proved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The id that the signature covers; `None` for every provider but Standard Webhooks.
    pub id: Option<String>,
    /// When it was signed, within the tolerance; `None` for GitHub, GitLab, Shopify, Twilio and
    /// Meta, which do not sign a time.
    pub timestamp: Option<SystemTime>,
    /// Which of the verifier's secrets matched, counted from 0; shows when a rotation is complete.
    pub secret_index: usize,
    /// The id in a header of GitHub, GitLab, Linear or Shopify. **Not signed**: anyone who repeats a recorded
    /// request can write anything here.
    pub unsigned_id: Option<String>,
    /// The event type in one of their headers. **Not signed** either.
    pub unsigned_event_type: Option<String>,
}

impl Verifier {
    /// Any provider, with its secrets as the provider shows them.
    ///
    /// ```
    /// use webhooks_core::receive::Verifier;
    /// use webhooks_core::scheme::Provider;
    ///
    /// let paddle = Verifier::of(Provider::Paddle, ["pdl_ntfset_01_secret"])?;
    /// let from_settings = Verifier::of("gitlab".parse()?, ["the webhook's token"])?;
    /// # let _ = (paddle, from_settings);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SecretError`] names the rule that a secret breaks; show it to whoever configured it.
    pub fn of<S: AsRef<str>>(
        provider: Provider,
        secrets: impl IntoIterator<Item = S>,
    ) -> Result<Self, SecretError> {
        let keys = secrets.into_iter().map(|text| provider.key(text.as_ref()));
        Ok(Self::new(provider, keys.collect::<Result<_, _>>()?))
    }

    /// Standard Webhooks, with `webhook-*` or `svix-*` headers: `whsec_` secrets verify `v1`,
    /// `whpk_` (and `whsk_`) verify `v1a`. Clerk, Resend and Svix's other customers send this.
    pub fn standard(secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self::new(Provider::Standard, keys(secrets))
    }

    /// GitHub's `X-Hub-Signature-256`. A `ping` comes first; the event type is in
    /// [`Verification::unsigned_event_type`].
    pub fn github(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::new(Provider::GitHub, keys(secrets))
    }

    /// Stripe's `Stripe-Signature`. The secret begins with `whsec_` and is used whole, not decoded.
    pub fn stripe(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::new(Provider::Stripe, keys(secrets))
    }

    /// Slack's `X-Slack-Signature`. Its first request expects [an answer](super::VerifiedBody::challenge).
    pub fn slack(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::new(Provider::Slack, keys(secrets))
    }

    /// Shopify's `X-Shopify-Hmac-SHA256`.
    pub fn shopify(secrets: impl IntoIterator<Item = SharedSecret>) -> Self {
        Self::new(Provider::Shopify, keys(secrets))
    }

    /// Twilio's `X-Twilio-Signature`, for forms and for JSON with `bodySHA256`; see
    /// [`public_url`](Self::public_url).
    pub fn twilio(tokens: impl IntoIterator<Item = SharedSecret>, public_url: &str) -> Self {
        Self::new(Provider::Twilio, keys(tokens)).public_url(public_url)
    }

    fn new(provider: Provider, keys: Vec<Key>) -> Self {
        Self {
            provider,
            keys: keys.into(),
            public_url: None,
            tolerance: TOLERANCE_DEFAULT,
            body_limit_bytes: provider.scheme().body_limit_bytes,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// The URL at which this server is reachable from outside. It is needed for Twilio, which signs the URL it was
    /// given: scheme, host, a port if there is one, and any path that a proxy removes, character for character as
    /// configured at Twilio. The extractors add the request's own path and query; with
    /// [`verify_url`](Self::verify_url) it is not used.
    #[must_use]
    pub fn public_url(mut self, url: &str) -> Self {
        let end = url.find(['?', '#']).unwrap_or(url.len());
        self.public_url = Some(url[..end].trim_end_matches('/').into());
        self
    }

    /// How far a timestamp may be from our clock, in whole seconds either way; 300 s by default.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The largest body that the extractors read. The default is the most that the provider sends (GitHub: 25 MB),
    /// or 256 KiB if the provider names no limit.
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

    /// Checks a request by its headers and its body as received: the raw bytes, not a parsed and re-serialized
    /// copy.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says why. Answer 401 or 400 and tell the caller nothing more, as
    /// [`Verified`](super::Verified) does.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Verification, VerifyError> {
        self.verify_at(headers, body, (self.clock)())
    }

    /// Like [`verify`](Self::verify), at a given time.
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

    /// Like [`verify`](Self::verify), for Twilio, which signs the whole `url` that it was given; other schemes
    /// ignore it.
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

    /// Like [`verify`](Self::verify), for a request to `path_and_query` of this server.
    pub(super) fn verify_path(
        &self,
        path_and_query: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verification, VerifyError> {
        let public_url = self.public_url.as_deref();
        let url = public_url.map(|public_url| format!("{public_url}{path_and_query}"));
        self.check(url.as_deref(), headers, body, (self.clock)())
    }

    pub(super) fn body_limit_bytes(&self) -> usize {
        self.body_limit_bytes
    }

    pub(super) fn provider(&self) -> Provider {
        self.provider
    }

    /// The answer to a verified request that asks whether the URL is ours.
    pub(super) fn challenge(&self, verified: &Verification, body: &[u8]) -> Option<Challenge> {
        let answer = self.provider.scheme().challenge?;
        answer(body, self.keys.get(verified.secret_index)?)
    }

    fn check(
        &self,
        url: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Verification, VerifyError> {
        let request = Request { headers, url, body };
        let signed = self.provider.verify(&self.keys, &request)?;
        let timestamp = match signed.timestamp_s {
            Some(timestamp_s) => Some(judge_time(timestamp_s, now, self.tolerance)?),
            None => None,
        };
        Ok(Verification {
            id: signed.id,
            timestamp,
            secret_index: signed.key_index,
            unsigned_id: signed.unsigned_id,
            unsigned_event_type: signed.unsigned_event_type,
        })
    }
}

fn keys(secrets: impl IntoIterator<Item = impl Into<Key>>) -> Vec<Key> {
    secrets.into_iter().map(Into::into).collect()
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("scheme", &self.provider.name())
            .field("secrets", &self.keys.len())
            .field("tolerance", &self.tolerance)
            .field("body_limit_bytes", &self.body_limit_bytes)
            .finish_non_exhaustive()
    }
}
