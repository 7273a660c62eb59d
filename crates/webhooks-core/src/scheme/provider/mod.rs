//! The providers by name.

mod discord;
mod github;
mod gitlab;
mod linear;
mod meta;
mod paddle;
mod shopify;
mod slack;
mod standard;
mod stripe;
mod twilio;
mod zoom;

pub use meta::challenge as meta_challenge;

use super::format::Scheme;
use super::key::Key;
use crate::secret::SecretError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The provider that signs, which determines how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// Standard Webhooks, under its own header names or Svix's: Clerk, Resend and many others.
    Standard,
    /// `X-Hub-Signature-256`
    GitHub,
    /// `Stripe-Signature`
    Stripe,
    /// `X-Slack-Signature`
    Slack,
    /// `X-Shopify-Hmac-SHA256`
    Shopify,
    /// `X-Twilio-Signature`
    Twilio,
    /// `X-Gitlab-Token`
    GitLab,
    /// `X-Signature-Ed25519`
    Discord,
    /// `Paddle-Signature`
    Paddle,
    /// `Linear-Signature`
    Linear,
    /// `x-zm-signature`
    Zoom,
    /// `X-Hub-Signature-256`, from Meta's apps; a request is assumed to be GitHub's unless specified otherwise.
    Meta,
}

/// Each provider with its name in flags, files and JSON, in the order in which a request's headers are checked.
const LIST: &[(Provider, &str, &Scheme)] = &[
    (Provider::Standard, "standard", &standard::SCHEME),
    (Provider::GitHub, "github", &github::SCHEME),
    (Provider::Stripe, "stripe", &stripe::SCHEME),
    (Provider::Slack, "slack", &slack::SCHEME),
    (Provider::Shopify, "shopify", &shopify::SCHEME),
    (Provider::Twilio, "twilio", &twilio::SCHEME),
    (Provider::GitLab, "gitlab", &gitlab::SCHEME),
    (Provider::Discord, "discord", &discord::SCHEME),
    (Provider::Paddle, "paddle", &paddle::SCHEME),
    (Provider::Linear, "linear", &linear::SCHEME),
    (Provider::Zoom, "zoom", &zoom::SCHEME),
    (Provider::Meta, "meta", &meta::SCHEME),
];

impl Provider {
    /// Every provider.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        LIST.iter().map(|(provider, ..)| *provider)
    }

    /// The name used in flags, files and JSON: `github`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// How it signs.
    #[must_use]
    pub fn scheme(self) -> &'static Scheme {
        self.entry().2
    }

    fn entry(self) -> &'static (Self, &'static str, &'static Scheme) {
        LIST.iter()
            .find(|(provider, ..)| *provider == self)
            .expect("a test finds every provider in the list")
    }

    /// The first provider that has one of its signature headers in a request.
    #[must_use]
    pub fn of(has_header: impl Fn(&str) -> bool) -> Option<Self> {
        Self::all().find(|provider| {
            let mut names = provider.scheme().names.iter();
            names.any(|names| has_header(names.signature))
        })
    }

    /// Reads a secret in the form in which this provider shows it.
    ///
    /// # Errors
    ///
    /// [`SecretError`] names the rule that the text breaks and never repeats the text.
    pub fn key(self, text: &str) -> Result<Key, SecretError> {
        Key::parse(self.scheme().secret, text)
    }

    /// Like [`key`](Self::key), but accepts a Standard Webhooks secret of any length except zero, with or without
    /// its prefix and padding, or as plain text, and accepts white space around other secrets: for tools that must
    /// try whatever a sender has.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key).
    pub fn lenient_key(self, text: &str) -> Result<Key, SecretError> {
        Key::parse_lenient(self.scheme().secret, text)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name does not belong to any provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a signature preset; use {}", names().join(", "))]
pub struct UnknownProviderError {
    /// What was given.
    name: String,
}

fn names() -> Vec<&'static str> {
    LIST.iter().map(|(_, name, _)| *name).collect()
}

impl FromStr for Provider {
    type Err = UnknownProviderError;

    fn from_str(name: &str) -> Result<Self, UnknownProviderError> {
        Self::all()
            .find(|provider| provider.name() == name)
            .ok_or_else(|| UnknownProviderError {
                name: name.to_owned(),
            })
    }
}
