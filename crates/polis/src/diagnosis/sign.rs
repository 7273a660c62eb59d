//! Signs as a sender would, for requests that are replayed, sent or signed on demand.

use jiff::Timestamp;
use webhooks_core::scheme;

use super::{Preset, SigningSecret};

pub use webhooks_core::scheme::SignError;

/// What to sign.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'a> {
    /// The delivery's id, for schemes that sign it.
    pub id: &'a str,
    /// The time of signing.
    pub at: Timestamp,
    /// The URL it will be sent to, exactly as written, for schemes that sign it.
    pub url: &'a str,
    /// The body's media type, for schemes that sign parameters.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// The headers that make a request verifiable under this preset.
///
/// # Errors
/// [`SignError`] says what to give instead.
pub fn sign(
    preset: Preset,
    secret: &SigningSecret,
    what: &ToSign<'_>,
) -> Result<Vec<(String, String)>, SignError> {
    let key = secret
        .to_key(preset)
        .ok_or(SignError::CannotSign { provider: preset })?;
    let headers = preset.sign(
        &key,
        &scheme::ToSign {
            id: what.id,
            timestamp_s: what.at.as_second(),
            url: what.url,
            content_type: what.content_type,
            body: what.body,
        },
    )?;
    Ok(headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}
