//! The names of an endpoint's own headers: each is sent once, and none may be one that the sender sets.

use http::{HeaderName, HeaderValue, header};
use url::Url;

use super::settings::{EndpointSettingsError, StoredSettings};
use crate::{
    address::credentials::split_credentials, event::shorten, header_rules,
    signature::legacy::LegacySignature,
};

/// A header that comes from something other than the endpoint's own headers, and from what.
type Brought = (HeaderName, &'static str);

impl StoredSettings {
    /// Refuses own headers that the sender sets itself, or that would be sent twice to `url`.
    pub(crate) fn check_header_names(&self, url: &Url) -> Result<(), EndpointSettingsError> {
        let mut sent = self.second_signature()?;
        if split_credentials(url).1.is_some() {
            sent.push((
                header::AUTHORIZATION,
                "it carries the URL's user and password",
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
            sent.push((parsed, "it is already set"));
        }
        Ok(())
    }

    fn second_signature(&self) -> Result<Vec<Brought>, EndpointSettingsError> {
        let Some((format, secret)) = &self.also_sign else {
            return Ok(Vec::new());
        };
        let legacy = LegacySignature::parse(format, secret)
            .map_err(|error| EndpointSettingsError::AlsoSign(format.clone(), error))?;
        // For any event: the header names are the same for every event.
        let headers = legacy.headers("evt", 0, b"{}").into_iter();
        Ok(headers
            .map(|(name, _)| (name, "it carries the second signature"))
            .collect())
    }
}
