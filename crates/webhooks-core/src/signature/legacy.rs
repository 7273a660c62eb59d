//! The signature headers of another system, sent beside the standard ones while its receivers move.
//!
//! A receiver that still checks GitHub's, Stripe's or svix's header keeps working unchanged; once
//! it checks `webhook-signature`, drop the second set. The engine stores [`LegacySignature::format`]
//! as text and the secret sealed, and rebuilds the value with [`LegacySignature::parse`].

use super::{SVIX_ID, SVIX_SIGNATURE, SVIX_TIMESTAMP, sign};
use crate::secret::{Secret, SecretError, SharedSecret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use http::{HeaderName, HeaderValue};
use std::slice;

const GITHUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const STRIPE_SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");
const SLACK_SIGNATURE: HeaderName = HeaderName::from_static("x-slack-signature");
const SLACK_TIMESTAMP: HeaderName = HeaderName::from_static("x-slack-request-timestamp");
const SHOPIFY_SIGNATURE: HeaderName = HeaderName::from_static("x-shopify-hmac-sha256");

/// Long enough for `sha256=` and its like, short enough to keep headers small.
const MAX_PREFIX_BYTES: usize = 64;

/// How another system signs, and with which secret.
///
/// ```
/// use webhooks_core::signature::LegacySignature;
///
/// let github = LegacySignature::parse("github", "It's a Secret to Everybody")?;
/// let headers = github.headers("evt_1", 1700000000, b"Hello, World!");
/// assert_eq!(headers[0].0, "x-hub-signature-256");
/// assert_eq!(
///     headers[0].1,
///     "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
/// );
/// # Ok::<(), webhooks_core::signature::LegacySignatureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegacySignature {
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix(Secret),
    /// `X-Hub-Signature-256: sha256=<hex>` over the body.
    GitHub(SharedSecret),
    /// `Stripe-Signature: t=…,v1=<hex>`.
    Stripe(SharedSecret),
    /// `X-Slack-Request-Timestamp` and `X-Slack-Signature: v0=<hex>`.
    Slack(SharedSecret),
    /// `X-Shopify-Hmac-SHA256: <base64>` over the body.
    Shopify(SharedSecret),
    /// A header of your own: `prefix` and then the HMAC-SHA256 of the body.
    Body {
        /// Where the signature goes.
        header: HeaderName,
        /// What stands before it, for example `sha256=`; may be empty.
        prefix: String,
        /// How its bytes are written.
        encoding: Encoding,
        /// The key.
        secret: SharedSecret,
    },
}

/// How the bytes of a signature are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Standard base64 with padding.
    Base64,
}

/// Why a second signature cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegacySignatureError {
    /// The format is none of those known.
    #[error(
        "`{format}` is no signature format; use svix, github, stripe, slack, shopify, hex:<header>[:<prefix>] or base64:<header>[:<prefix>]"
    )]
    UnknownFormat {
        /// What was given.
        format: String,
    },
    /// The header's name cannot be one.
    #[error("`{name}` is not a header name")]
    InvalidHeader {
        /// What was given.
        name: String,
    },
    /// The header belongs to the standard set, which is always sent.
    #[error("the header `{name}` is sent already; name the old system's header")]
    ReservedHeader {
        /// What was given.
        name: String,
    },
    /// The prefix does not fit into a header.
    #[error("the prefix is {bytes} bytes; it may be up to {limit} visible ASCII characters")]
    InvalidPrefix {
        /// Its length.
        bytes: usize,
        /// The most bytes accepted.
        limit: usize,
    },
    /// The secret is refused.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl LegacySignature {
    /// Builds one from its text form (see [`format`](Self::format)) and its secret: for `svix` a
    /// `whsec_` or `whsk_`, for all others any string.
    ///
    /// # Errors
    ///
    /// [`LegacySignatureError`] says what to correct; the secret is never repeated.
    pub fn parse(format: &str, secret: &str) -> Result<Self, LegacySignatureError> {
        let shared = || SharedSecret::parse(secret);
        Ok(match format {
            "svix" => Self::Svix(Secret::parse(secret)?),
            "github" => Self::GitHub(shared()?),
            "stripe" => Self::Stripe(shared()?),
            "slack" => Self::Slack(shared()?),
            "shopify" => Self::Shopify(shared()?),
            _ => match format.split_once(':') {
                Some(("hex", rest)) => Self::parse_body(rest, Encoding::Hex, shared()?)?,
                Some(("base64", rest)) => Self::parse_body(rest, Encoding::Base64, shared()?)?,
                _ => {
                    return Err(LegacySignatureError::UnknownFormat {
                        format: format.to_owned(),
                    });
                }
            },
        })
    }

    fn parse_body(
        text: &str,
        encoding: Encoding,
        secret: SharedSecret,
    ) -> Result<Self, LegacySignatureError> {
        let (name, prefix) = text.split_once(':').unwrap_or((text, ""));
        let header =
            HeaderName::try_from(name).map_err(|_| LegacySignatureError::InvalidHeader {
                name: name.to_owned(),
            })?;
        if header.as_str().starts_with("webhook-") {
            return Err(LegacySignatureError::ReservedHeader {
                name: name.to_owned(),
            });
        }
        if prefix.len() > MAX_PREFIX_BYTES || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            let (bytes, limit) = (prefix.len(), MAX_PREFIX_BYTES);
            return Err(LegacySignatureError::InvalidPrefix { bytes, limit });
        }
        Ok(Self::Body {
            header,
            prefix: prefix.to_owned(),
            encoding,
            secret,
        })
    }

    /// The text form, without the secret: `svix`, `github`, `stripe`, `slack`, `shopify`,
    /// `hex:<header>[:<prefix>]` or `base64:<header>[:<prefix>]`.
    #[must_use]
    pub fn format(&self) -> String {
        match self {
            Self::Svix(_) => "svix".to_owned(),
            Self::GitHub(_) => "github".to_owned(),
            Self::Stripe(_) => "stripe".to_owned(),
            Self::Slack(_) => "slack".to_owned(),
            Self::Shopify(_) => "shopify".to_owned(),
            Self::Body {
                header,
                prefix,
                encoding,
                ..
            } => {
                let encoding = match encoding {
                    Encoding::Hex => "hex",
                    Encoding::Base64 => "base64",
                };
                if prefix.is_empty() {
                    format!("{encoding}:{header}")
                } else {
                    format!("{encoding}:{header}:{prefix}")
                }
            }
        }
    }

    /// The secret's text, to seal and store beside [`format`](Self::format).
    #[must_use]
    pub fn expose_secret(&self) -> String {
        match self {
            Self::Svix(secret) => secret.expose(),
            Self::GitHub(secret)
            | Self::Stripe(secret)
            | Self::Slack(secret)
            | Self::Shopify(secret)
            | Self::Body { secret, .. } => secret.expose(),
        }
    }

    /// The headers to send for one attempt. `timestamp_s` is in whole seconds since 1970; an id
    /// that no header can hold is left out.
    #[must_use]
    pub fn headers(
        &self,
        id: &str,
        timestamp_s: i64,
        body: &[u8],
    ) -> Vec<(HeaderName, HeaderValue)> {
        let texts = match self {
            Self::Svix(secret) => vec![
                (SVIX_ID, id.to_owned()),
                (SVIX_TIMESTAMP, timestamp_s.to_string()),
                (
                    SVIX_SIGNATURE,
                    sign(slice::from_ref(secret), id, timestamp_s, body),
                ),
            ],
            Self::GitHub(secret) => {
                vec![(
                    GITHUB_SIGNATURE,
                    format!("sha256={}", hex_hmac(secret, &[body])),
                )]
            }
            Self::Stripe(secret) => {
                let made = hex_hmac(secret, &[format!("{timestamp_s}.").as_bytes(), body]);
                vec![(STRIPE_SIGNATURE, format!("t={timestamp_s},v1={made}"))]
            }
            Self::Slack(secret) => {
                let made = hex_hmac(secret, &[format!("v0:{timestamp_s}:").as_bytes(), body]);
                vec![
                    (SLACK_TIMESTAMP, timestamp_s.to_string()),
                    (SLACK_SIGNATURE, format!("v0={made}")),
                ]
            }
            Self::Shopify(secret) => {
                vec![(SHOPIFY_SIGNATURE, STANDARD.encode(hmac(secret, &[body])))]
            }
            Self::Body {
                header,
                prefix,
                encoding,
                secret,
            } => {
                let made = match encoding {
                    Encoding::Hex => hex_hmac(secret, &[body]),
                    Encoding::Base64 => STANDARD.encode(hmac(secret, &[body])),
                };
                vec![(header.clone(), format!("{prefix}{made}"))]
            }
        };
        texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?)))
            .collect()
    }
}

fn hmac(secret: &SharedSecret, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = secret.hmac_sha256();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn hex_hmac(secret: &SharedSecret, parts: &[&[u8]]) -> String {
    hex::encode(hmac(secret, parts))
}
