//! Whether a request was signed with one of the keys, over exactly this body.

use super::content::{Values, body_hash, fields, is_form};
use super::error::VerifyError;
use super::format::{Part, Scheme};
use super::headers::Claims;
use super::key::{Key, Offered};
use super::provider::Provider;
use super::url_spelling::spellings;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The URL as the sender knows it, for schemes that sign it.
    pub url: Option<&'a str>,
    /// Its body, byte for byte.
    pub body: &'a [u8],
}

/// What a signature proved, before the time is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// Which of the keys made it, counted from 0.
    pub key_index: usize,
    /// The id that it covers.
    pub id: Option<String>,
    /// When it was made, in whole seconds since 1970; not checked yet.
    pub timestamp_s: Option<u64>,
    /// The spelling of the URL that it covers.
    pub url: Option<String>,
    /// The id in a header that it does not cover.
    pub unsigned_id: Option<String>,
    /// The event type in a header that it does not cover.
    pub unsigned_event_type: Option<String>,
}

impl Provider {
    /// Checks a request against every key; checking the time is up to the caller
    /// ([`judge_time`](super::judge_time)).
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says why. Refuse the request, and do not send the reason to the caller.
    pub fn verify(self, keys: &[Key], request: &Request<'_>) -> Result<Signed, VerifyError> {
        if keys.is_empty() {
            return Err(VerifyError::NoSecrets);
        }
        let scheme = self.scheme();
        if scheme.signs(Part::Url) && request.url.is_none() {
            return Err(VerifyError::UrlNeeded);
        }
        let claims = Claims::read(scheme, request.headers)?;
        let search = Search {
            scheme,
            claims: &claims,
            keys,
            body: request.body,
        };
        let (key_index, url) = match request.url.filter(|_| scheme.signs(Part::Url)) {
            Some(url) => {
                let is_form = is_form_request(request.headers);
                let (index, url) = search.over_spellings(url, is_form)?;
                (index, Some(url))
            }
            None => (search.run("", "")?, None),
        };
        let timestamp_s = match scheme.body_time_ms {
            Some(field) => Some(body_time_s(field, request.body)?),
            None => claims.timestamp_s,
        };
        Ok(Signed {
            key_index,
            id: claims.id.map(str::to_owned),
            timestamp_s,
            url,
            unsigned_id: claims.unsigned_id,
            unsigned_event_type: claims.unsigned_event_type,
        })
    }
}

struct Search<'a> {
    scheme: &'a Scheme,
    claims: &'a Claims<'a>,
    keys: &'a [Key],
    body: &'a [u8],
}

impl Search<'_> {
    /// The key that made one of the signatures: every signature is tried with every key.
    fn run(&self, url: &str, fields: &str) -> Result<usize, VerifyError> {
        let timestamp = self.claims.timestamp_s.map(|seconds| seconds.to_string());
        let values = Values {
            id: self.claims.id.unwrap_or_default(),
            timestamp: timestamp.as_deref().unwrap_or_default(),
            url,
            fields,
            body: self.body,
        };
        let parts = values.parts(self.scheme.content);
        let signatures: &[Offered] = &self.claims.signatures;
        self.keys
            .iter()
            .position(|key| key.made_one_of(signatures, &parts))
            .ok_or(VerifyError::NoSignatureMatched {
                signatures: signatures.len(),
                secrets: self.keys.len(),
            })
    }

    fn over_spellings(&self, given: &str, is_form: bool) -> Result<(usize, String), VerifyError> {
        let fields = fields(given, is_form, self.body)?;
        let mut found = None;
        for url in spellings(given) {
            match self.run(&url, &fields) {
                Ok(index) => {
                    found = Some((index, url));
                    break;
                }
                Err(VerifyError::NoSignatureMatched { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let Some((index, url)) = found else {
            return Err(VerifyError::NoSignatureMatched {
                signatures: self.claims.signatures.len(),
                secrets: self.keys.len(),
            });
        };
        // Only now: until the URL is known to come from the provider, its hash means nothing.
        if let Some(expected) = body_hash(given) {
            let ours = Sha256::digest(self.body);
            let same = hex::decode(expected).is_ok_and(|hash| ours.as_slice().ct_eq(&hash).into());
            if !same {
                return Err(VerifyError::BodyHashDiffers);
            }
        }
        Ok((index, url))
    }
}

/// Whether the body is a form, judged by its only media type: with two, different readers might pick different
/// ones.
fn is_form_request(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let first = kinds.next().and_then(|value| value.to_str().ok());
    kinds.next().is_none() && first.is_some_and(is_form)
}

/// The time in a verified JSON body, in whole seconds.
fn body_time_s(field: &'static str, body: &[u8]) -> Result<u64, VerifyError> {
    let fields: std::collections::HashMap<&str, &serde_json::value::RawValue> =
        serde_json::from_slice(body).map_err(|_| VerifyError::NoBodyTime { field })?;
    fields
        .get(field)
        .and_then(|value| value.get().parse::<u64>().ok())
        .map(|milliseconds| milliseconds / 1000)
        .ok_or(VerifyError::NoBodyTime { field })
}
