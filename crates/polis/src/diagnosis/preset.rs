//! The signature schemes that senders use, as data: headers, encodings and digests.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;

use crate::wire::Head;

/// A sender's way to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Standard Webhooks, and Svix's names for the same.
    Standard,
    /// `X-Hub-Signature-256`
    Github,
    /// `Stripe-Signature`
    Stripe,
    /// `X-Slack-Signature`
    Slack,
    /// `X-Shopify-Hmac-SHA256`
    Shopify,
    /// `X-Twilio-Signature`
    Twilio,
}

/// How the bytes of a signature are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
        })
    }
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 6] = [
        Self::Standard,
        Self::Github,
        Self::Stripe,
        Self::Slack,
        Self::Shopify,
        Self::Twilio,
    ];

    /// The name used in flags, files and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::Shopify => "shopify",
            Self::Twilio => "twilio",
        }
    }

    /// The header that holds the signature, as its sender writes it.
    #[must_use]
    pub fn signature_header(self) -> &'static str {
        match self {
            Self::Standard => "webhook-signature",
            Self::Github => "X-Hub-Signature-256",
            Self::Stripe => "Stripe-Signature",
            Self::Slack => "X-Slack-Signature",
            Self::Shopify => "X-Shopify-Hmac-SHA256",
            Self::Twilio => "X-Twilio-Signature",
        }
    }

    /// The preset whose signature header a request has.
    #[must_use]
    pub fn of(head: &Head) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|preset| head.get(preset.signature_header()).is_some())
            .or_else(|| {
                // Svix's name for the same.
                head.get("svix-signature").map(|_| Self::Standard)
            })
    }

    pub(super) fn encoding(self) -> Encoding {
        match self {
            Self::Github | Self::Stripe | Self::Slack => Encoding::Hex,
            Self::Standard | Self::Shopify | Self::Twilio => Encoding::Base64,
        }
    }

    pub(super) fn mac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Twilio => digest::<Hmac<Sha1>>(key, parts),
            _ => digest::<Hmac<Sha256>>(key, parts),
        }
    }
}

fn digest<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of any length; the error type exists for other MACs.
    <M as KeyInit>::new_from_slice(key)
        .map(|mut mac| {
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().to_vec()
        })
        .unwrap_or_default()
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is none of a preset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no signature preset; there are standard, github, stripe, slack, shopify and twilio"
)]
pub struct UnknownPreset(String);

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}
