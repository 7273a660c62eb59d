//! The signature headers of another system, sent alongside the standard ones while its receivers migrate.
//!
//! A receiver that still checks GitHub's, Stripe's or Svix's header keeps working unchanged; once it checks
//! `webhook-signature`, drop the second set. The engine stores [`LegacySignature::format`] as text and the secret
//! encrypted, and rebuilds the value with [`LegacySignature::parse`].

use crate::header_rules;
use crate::scheme::{Encoding, Key, Part, Provider, ToSign};
use crate::secret::{SecretError, SharedSecret};
use hmac::Mac;
use http::{HeaderName, HeaderValue};

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
    /// Standard Webhooks under Svix's names: `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix(Key),
    /// The way this provider signs.
    Provider(Provider, Key),
    /// A header of your own: `prefix` and then the HMAC-SHA256 of the body.
    Body {
        /// The header that holds the signature.
        header: HeaderName,
        /// What precedes the signature, for example `sha256=`; may be empty.
        prefix: String,
        /// How the signature's bytes are encoded.
        encoding: Encoding,
        /// The key.
        secret: SharedSecret,
    },
}

/// Why a second signature cannot be set up.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegacySignatureError {
    /// The format is unknown.
    #[error(
        "`{format}` is not a signature format; use svix, {}, hex:<header>[:<prefix>] or base64:<header>[:<prefix>]", names().join(", ")
    )]
    UnknownFormat {
        /// What was given.
        format: String,
    },
    /// The header name is invalid.
    #[error("`{name}` is not a header name")]
    InvalidHeader {
        /// What was given.
        name: String,
    },
    /// No signature can go into this header.
    #[error("a signature cannot go into the header `{name}`: {reason}")]
    ReservedHeader {
        /// What was given.
        name: String,
        /// What the header is for.
        reason: &'static str,
    },
    /// The prefix does not fit into a header.
    #[error("the prefix is {bytes} bytes; use up to {limit} visible ASCII characters")]
    InvalidPrefix {
        /// Its length.
        bytes: usize,
        /// The maximum number of bytes accepted.
        limit: usize,
    },
    /// The secret is a public key.
    #[error("a public key verifies {provider} signatures but cannot make them; use the `whsk_`")]
    CannotSign {
        /// The provider whose format it is.
        provider: Provider,
    },
    /// The secret is refused.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

crate::error_text::debug_is_display!(LegacySignatureError);

impl LegacySignature {
    /// Builds one from its text form (see [`format`](Self::format)) and its secret: a `whsec_` or `whsk_` for
    /// `svix`, a `whsk_` for `discord`, any string for all others.
    ///
    /// # Errors
    ///
    /// [`LegacySignatureError`] says what to correct; the secret is never repeated.
    pub fn parse(format: &str, secret: &str) -> Result<Self, LegacySignatureError> {
        if format == "svix" {
            return Ok(Self::Svix(Provider::Standard.key(secret)?));
        }
        if let Some(provider) = providers().find(|provider| provider.name() == format) {
            let key = provider.key(secret)?;
            return if key.can_sign() {
                Ok(Self::Provider(provider, key))
            } else {
                Err(LegacySignatureError::CannotSign { provider })
            };
        }
        let shared = || SharedSecret::parse(secret);
        match format.split_once(':') {
            Some(("hex", rest)) => Self::parse_body(rest, Encoding::Hex, shared()?),
            Some(("base64", rest)) => Self::parse_body(rest, Encoding::Base64, shared()?),
            _ => Err(LegacySignatureError::UnknownFormat {
                format: format.to_owned(),
            }),
        }
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
        if let Some(reason) = header_rules::reserved_for_signature(&header) {
            return Err(LegacySignatureError::ReservedHeader {
                name: name.to_owned(),
                reason,
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

    /// The text form, without the secret: `svix`, a provider's name,
    /// `hex:<header>[:<prefix>]` or `base64:<header>[:<prefix>]`.
    #[must_use]
    pub fn format(&self) -> String {
        match self {
            Self::Svix(_) => "svix".to_owned(),
            Self::Provider(provider, _) => provider.name().to_owned(),
            Self::Body {
                header,
                prefix,
                encoding,
                ..
            } => {
                if prefix.is_empty() {
                    format!("{encoding}:{header}")
                } else {
                    format!("{encoding}:{header}:{prefix}")
                }
            }
        }
    }

    /// The secret as text, to be encrypted and stored with [`format`](Self::format).
    #[must_use]
    pub fn expose_secret(&self) -> String {
        match self {
            Self::Svix(key) | Self::Provider(_, key) => key.expose(),
            Self::Body { secret, .. } => secret.expose(),
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
        let what = ToSign {
            id,
            timestamp_s,
            url: "",
            content_type: None,
            body,
        };
        let texts = match self {
            Self::Svix(key) => Provider::Standard.sign_as_svix(key, &what),
            Self::Provider(provider, key) => provider.sign(key, &what),
            Self::Body {
                header,
                prefix,
                encoding,
                secret,
            } => {
                let made = secret.hmac_sha256().chain_update(body).finalize();
                let text = format!("{prefix}{}", encoding.write(&made.into_bytes()));
                let value = HeaderValue::try_from(text).ok();
                return value
                    .map(|value| (header.clone(), value))
                    .into_iter()
                    .collect();
            }
        };
        // A header is left out if it could not be signed, or if it is an id that the signature does not cover.
        let unsigned_id = self.unsigned_id();
        texts
            .unwrap_or_default()
            .into_iter()
            .filter(|(name, _)| Some(*name) != unsigned_id)
            .filter_map(|(name, text)| {
                let name = HeaderName::try_from(name).ok()?;
                Some((name, HeaderValue::try_from(text).ok()?))
            })
            .collect()
    }

    fn unsigned_id(&self) -> Option<&'static str> {
        let Self::Provider(provider, _) = self else {
            return None;
        };
        let scheme = provider.scheme();
        let id = scheme.names.first().and_then(|names| names.id);
        id.filter(|_| !scheme.signs(Part::Id))
    }
}

/// The providers whose receivers can verify a delivery of ours. It leaves out Twilio, which signs the URL, Linear,
/// which writes the time into the body, and Standard Webhooks, which is sent anyway.
fn providers() -> impl Iterator<Item = Provider> {
    Provider::all().filter(|provider| {
        let scheme = provider.scheme();
        let is_standard = *provider == Provider::Standard;
        !is_standard && !scheme.signs(Part::Url) && scheme.body_time_ms.is_none()
    })
}

fn names() -> Vec<&'static str> {
    providers().map(Provider::name).collect()
}
