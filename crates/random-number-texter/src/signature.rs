//! Who sent a request: the sender of webhooks, or Twilio. The raw bytes are checked before
//! anything in them is read; the reason for a refusal goes only to the log.

use std::time::SystemTime;

use http::HeaderMap;
use url::Url;
use webhooks_core::{
    Secret, SharedSecret,
    receive::{Verification, Verifier, VerifyError},
};

/// Two are enough for rotation; each costs an HMAC per request.
const SECRETS_MAX: usize = 10;

/// Checks that a webhook is signed according to Standard Webhooks, with one of the known secrets.
#[derive(Debug, Clone)]
pub(crate) struct WebhookCheck(Verifier);

impl WebhookCheck {
    /// Reads secrets separated by commas.
    ///
    /// # Errors
    /// Which one is wrong and why, for the person who configured it; never the secret itself.
    pub(crate) fn parse(list: &str) -> Result<Self, String> {
        let texts: Vec<&str> = list.split(',').map(str::trim).collect();
        if texts.len() > SECRETS_MAX {
            return Err(format!(
                "has {} secrets; the limit is {SECRETS_MAX}",
                texts.len()
            ));
        }
        let mut secrets = Vec::new();
        let mut wrong = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match Secret::parse(text) {
                Ok(secret) => secrets.push(secret),
                Err(error) => {
                    wrong.push(format!("secret {} of {}: {error}", index + 1, texts.len()));
                }
            }
        }
        if wrong.is_empty() {
            Ok(Self(Verifier::standard(secrets)))
        } else {
            Err(format!("can't be used: {}", wrong.join("; ")))
        }
    }

    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Verification, VerifyError> {
        self.0.verify_at(headers, body, now)
    }
}

/// Checks that a status callback comes from Twilio.
#[derive(Debug, Clone)]
pub(crate) struct StatusCheck(Verifier);

impl StatusCheck {
    /// `base` is the URL that Twilio was told to call.
    pub(crate) fn new(token: SharedSecret, base: &Url) -> Self {
        Self(Verifier::twilio([token], base.as_str()))
    }

    /// `url` is the whole URL that Twilio was given.
    pub(crate) fn check(
        &self,
        url: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), VerifyError> {
        self.0.verify_url(url, headers, body).map(|_| ())
    }
}
