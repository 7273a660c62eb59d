//! The names of the headers that an endpoint brings: each is sent once, and the sender's are its own.

use http::{HeaderName, HeaderValue, header};
use url::Url;

use super::settings::{EndpointSettingsError, StoredSettings};
use crate::{
    address::credentials::split_credentials, event::shorten, header_rules,
    signature::legacy::LegacySignature,
};

/// A header that something else than the endpoint's own headers brings, and what.
type Brought = (HeaderName, &'static str);

impl StoredSettings {
    /// Refuses own headers that are the sender's, or that would be sent twice to `url`.
    pub(crate) fn check_header_names(&self, url: &Url) -> Result<(), EndpointSettingsError> {
        let mut sent = self.second_signature()?;
        if split_credentials(url).1.is_some() {
            sent.push((
                header::AUTHORIZATION,
                "the URL's user and password go there",
            ));
        }
        for (name, value) in &self.headers {
            let invalid = || EndpointSettingsError::Header(shorten(name));
            let parsed = HeaderName::try_from(name.as_str()).map_err(|_| invalid())?;
            HeaderValue::try_from(value.as_str()).map_err(|_| invalid())?;
            if let Some(reason) = header_rules::reserved(&parsed) {
                let name = parsed.to_string();
                return Err(EndpointSettingsError::Reserved { name, reason });
            }
            if let Some((_, reason)) = sent.iter().find(|(sent, _)| *sent == parsed) {
                let name = parsed.to_string();
                return Err(EndpointSettingsError::Twice { name, reason });
            }
            sent.push((parsed, "it is there already"));
        }
        Ok(())
    }

    fn second_signature(&self) -> Result<Vec<Brought>, EndpointSettingsError> {
        let Some((format, secret)) = &self.also_sign else {
            return Ok(Vec::new());
        };
        let legacy = LegacySignature::parse(format, secret)
            .map_err(|error| EndpointSettingsError::AlsoSign(format.clone(), error))?;
        // Of any event: the names are those of every event.
        let headers = legacy.headers("evt", 0, b"{}").into_iter();
        Ok(headers
            .map(|(name, _)| (name, "the second signature goes there"))
            .collect())
    }
}
