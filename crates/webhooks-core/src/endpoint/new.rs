//! An endpoint to add.

use std::{fmt, num::NonZeroU32};

use super::settings::{self, EndpointSettingsError, StoredSettings};
use crate::{
    address::credentials::hide_credentials, retry::RetrySchedule, secret::Secret,
    signature::legacy::LegacySignature,
};

/// An endpoint to add: a URL is enough, everything else has a default.
#[derive(Clone)]
pub struct NewEndpoint {
    pub(crate) url: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) ordered: bool,
    pub(crate) secret: Option<Secret>,
    pub(crate) settings: StoredSettings,
}

impl fmt::Debug for NewEndpoint {
    /// Without the URL's credentials, header values and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = url::Url::parse(&self.url)
            .map_or_else(|_| "invalid".to_owned(), |url| hide_credentials(&url));
        f.debug_struct("NewEndpoint")
            .field("url", &url)
            .field("event_types", &self.event_types)
            .finish_non_exhaustive()
    }
}

impl From<&str> for NewEndpoint {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for NewEndpoint {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl NewEndpoint {
    /// An endpoint at `url` that wants every event type.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            event_types: vec!["*".to_owned()],
            ordered: false,
            secret: None,
            settings: StoredSettings::default(),
        }
    }

    /// The event types it wants: an exact type (`random_number:generate`), a prefix followed by a star
    /// (`random_number:*`), or `*`.
    #[must_use]
    pub fn event_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.event_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Whether it gets one event at a time, in commit order; a delivery that fails holds up those behind it.
    #[must_use]
    pub fn ordered(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    /// Signs with this secret instead of a generated one.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The maximum number of requests in flight, 1 to [`IN_FLIGHT_MAX`](crate::IN_FLIGHT_MAX);
    /// [`IN_FLIGHT_DEFAULT`](crate::IN_FLIGHT_DEFAULT) by default. An ordered endpoint always has 1.
    #[must_use]
    pub fn in_flight(mut self, requests: u32) -> Self {
        self.settings.in_flight = Some(requests);
        self
    }

    /// At most this many requests per second.
    #[must_use]
    pub fn per_second(mut self, requests: NonZeroU32) -> Self {
        self.settings.per_second = Some(requests);
        self
    }

    /// Its own retry schedule.
    #[must_use]
    pub fn retry(mut self, schedule: &RetrySchedule) -> Self {
        self.settings.retry_waits_s = Some(schedule.to_seconds());
        self
    }

    /// Adds a second signature, in the format of the system that the receiver is migrating from, so that it can
    /// move to Standard Webhooks in its own time. Both sets of headers are sent.
    #[must_use]
    pub fn also_sign(mut self, legacy: &LegacySignature) -> Self {
        self.settings.also_sign = Some((legacy.format(), legacy.expose_secret()));
        self
    }

    /// A header of its own, sent with every request; for example an API key that its server requires.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.headers.push((name.into(), value.into()));
        self
    }
}

impl NewEndpoint {
    pub(crate) fn check(&self) -> Result<(), EndpointSettingsError> {
        settings::check_event_types(&self.event_types)?;
        self.settings.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_with_their_limit() {
        let target = "https://acme.example".parse().unwrap();
        let check = |endpoint: NewEndpoint| {
            endpoint.check()?;
            endpoint.settings.check_header_names(&target)
        };
        let refused = |endpoint: NewEndpoint| check(endpoint).unwrap_err();
        let url = || NewEndpoint::new("https://acme.example");
        assert_eq!(
            refused(url().in_flight(0)),
            EndpointSettingsError::InFlight(0)
        );
        assert_eq!(
            refused(url().event_types(["a*b"])),
            EndpointSettingsError::EventType("a*b".to_owned())
        );
        assert_eq!(
            refused(url().event_types(Vec::<String>::new())),
            EndpointSettingsError::EventTypes(0)
        );
        assert_eq!(
            refused(url().header("Host", "x")),
            EndpointSettingsError::Reserved {
                name: "host".to_owned(),
                reason: "it is the URL's host",
            }
        );
        assert_eq!(
            refused(url().header("a b", "x")),
            EndpointSettingsError::Header("a b".to_owned())
        );
        assert_eq!(
            refused(url().header("a", "x\r\ny")),
            EndpointSettingsError::Header("a".to_owned())
        );
        assert!(check(url().header("X-Api-Key", "k")).is_ok());
    }
}
