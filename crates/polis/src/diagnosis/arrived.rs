//! Gives a captured request to the verifier that receivers use.

use http::{HeaderMap, HeaderName, HeaderValue};
use serve::wire::Head;
use webhooks_core::scheme::{Request, Signed, VerifyError};

use super::{Preset, SigningSecret, Verification, twilio};

/// The request as webhooks-core takes it.
pub(super) struct Arrived<'a> {
    preset: Preset,
    headers: HeaderMap,
    url: String,
    pub(super) body: &'a [u8],
}

impl<'a> Arrived<'a> {
    pub(super) fn new(verification: &Verification, head: &Head, body: &'a [u8]) -> Self {
        // A value that is not allowed in a header is not text to the verifier either.
        let value = |value: &[u8]| {
            HeaderValue::from_bytes(value).unwrap_or_else(|_| {
                HeaderValue::from_bytes(b"\xff").expect("a header may have bytes beyond ASCII")
            })
        };
        let headers = head
            .headers()
            .filter_map(|(name, text)| {
                Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value(text)))
            })
            .collect();
        let urls = twilio::urls(head, verification.public_url.as_deref());
        let url = urls
            .first()
            .map(|signed| String::from_utf8_lossy(&signed.url).into_owned());
        Self {
            preset: verification.preset,
            headers,
            url: url.unwrap_or_default(),
            body,
        }
    }

    pub(super) fn verify(&self, secrets: &[SigningSecret]) -> Result<Signed, VerifyError> {
        let usable: Vec<(usize, _)> = secrets
            .iter()
            .enumerate()
            .filter_map(|(index, secret)| Some((index, secret.to_key(self.preset)?)))
            .collect();
        let keys: Vec<_> = usable.iter().map(|(_, key)| key.clone()).collect();
        let request = Request {
            headers: &self.headers,
            url: Some(&self.url),
            body: self.body,
        };
        let mut signed = self.preset.verify(&keys, &request)?;
        signed.key_index = usable[signed.key_index].0;
        Ok(signed)
    }
}
