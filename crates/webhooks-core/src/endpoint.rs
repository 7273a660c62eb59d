//! An endpoint: a URL with its secrets and the event types it wants.

use std::{fmt, num::NonZeroU32, time::SystemTime};

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::{
    Secret,
    address::hide_credentials,
    event::{is_token, shorten},
    retry::RetrySchedule,
    signature::LegacySignature,
};

/// Requests in flight to one endpoint at once, unless it says otherwise.
pub const IN_FLIGHT_DEFAULT: u32 = 8;
/// The most that an endpoint can ask for.
pub const IN_FLIGHT_MAX: u32 = 256;
/// Most event types that one endpoint can name.
pub const EVENT_TYPES_MAX: usize = 64;
/// Most headers of its own that one endpoint can have.
pub const OWN_HEADERS_MAX: usize = 20;
/// Most bytes of an endpoint's own headers, names and values together.
pub const OWN_HEADERS_BYTES_MAX: usize = 4 * 1024;

/// The id of an endpoint: `ep_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndpointId(String);

impl EndpointId {
    pub(crate) fn generate() -> Self {
        Self(format!("ep_{}", uuid::Uuid::new_v4().simple()))
    }

    pub(crate) fn from_stored(id: String) -> Self {
        Self(id)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for EndpointId {
    /// Any text is taken: an id that no endpoint has is told when it is used.
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

/// Whether an endpoint gets its events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointState {
    /// Events are delivered.
    Active,
    /// Events are kept until it is resumed.
    Paused,
    /// Events are recorded as [`Ending::Disabled`](crate::Ending::Disabled), not kept; enable the
    /// endpoint and replay them.
    Disabled {
        /// Why, for people: "answered 410", "failing for 5 days", or who did it.
        reason: String,
    },
}

/// An endpoint as listings show it. Secrets and URL credentials are not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub customer: String,
    /// Where events go, credentials hidden.
    pub url: String,
    /// Which event types it wants: exact, `prefix*`, or `*`.
    pub event_types: Vec<String>,
    /// Whether it gets its events one at a time in commit order.
    pub ordered: bool,
    /// Whether it gets events now.
    pub state: EndpointState,
    /// Since when every attempt has failed; `None` when the last one succeeded.
    pub failing_since: Option<SystemTime>,
    /// When it was added.
    pub created_at: SystemTime,
}

/// What [`Endpoints::add`](crate::Endpoints::add) made. The secret is shown here and never again.
#[derive(Debug)]
pub struct AddedEndpoint {
    /// The endpoint's id.
    pub id: EndpointId,
    /// Give it to the receiver; `expose()` shows it.
    pub secret: Secret,
    /// The endpoint as listings show it.
    pub endpoint: Endpoint,
}

/// An endpoint to add: a URL is enough, everything else has a default.
#[derive(Clone)]
pub struct NewEndpoint {
    pub(crate) url: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) ordered: bool,
    pub(crate) secret: Option<Secret>,
    pub(crate) settings: EndpointSettings,
}

/// What of an endpoint is stored as one JSON document: read whole, never searched.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EndpointSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_flight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_second: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_waits_s: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<(String, String)>,
    /// Format and secret of a [`LegacySignature`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) also_sign: Option<(String, String)>,
}

impl fmt::Debug for NewEndpoint {
    /// Without the URL's credentials, the headers' values and the secrets.
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
            settings: EndpointSettings::default(),
        }
    }

    /// The event types it wants: exact (`random_number:generate`), a prefix and a star
    /// (`random_number:*`), or `*`.
    #[must_use]
    pub fn event_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.event_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// One event at a time, in commit order; a delivery that fails holds those behind it.
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

    /// Requests in flight at once, 1 to [`IN_FLIGHT_MAX`]; [`IN_FLIGHT_DEFAULT`] unless set. An
    /// ordered endpoint always has 1.
    #[must_use]
    pub fn in_flight(mut self, requests: u32) -> Self {
        self.settings.in_flight = Some(requests);
        self
    }

    /// At most this many requests a second.
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

    /// Signs a second time in the way of the system that the receiver comes from, so that it can
    /// move to Standard Webhooks in its own time. Both sets of headers are sent.
    #[must_use]
    pub fn also_sign(mut self, legacy: &LegacySignature) -> Self {
        self.settings.also_sign = Some((legacy.format(), legacy.expose_secret()));
        self
    }

    /// A header of its own, sent with every request: for an API key that its server wants.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.headers.push((name.into(), value.into()));
        self
    }
}

/// What is wrong with an endpoint's settings.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointSettingsError {
    /// No event types, or too many.
    #[error("an endpoint names 1 to {EVENT_TYPES_MAX} event types, not {0}")]
    EventTypes(usize),
    /// A pattern that can match nothing.
    #[error("event type {0:?} is not valid: an exact type, a prefix and one star at the end, or *")]
    EventType(String),
    /// Outside of 1 to [`IN_FLIGHT_MAX`].
    #[error("{0} requests in flight is out of range: 1 to {IN_FLIGHT_MAX}")]
    InFlight(u32),
    /// More than [`OWN_HEADERS_MAX`], or than [`OWN_HEADERS_BYTES_MAX`].
    #[error(
        "{count} own headers of {bytes} bytes are too many: at most {OWN_HEADERS_MAX} of {OWN_HEADERS_BYTES_MAX}"
    )]
    Headers {
        /// How many there were.
        count: usize,
        /// Names and values together.
        bytes: usize,
    },
    /// Not a header name, or not a header value.
    #[error(
        "header {0:?} is not valid: letters, digits and - for a name, visible ASCII for a value"
    )]
    Header(String),
    /// A header that the sender sets itself, or that frames the request.
    #[error("header {0:?} is set by the sender and cannot be an endpoint's own")]
    Reserved(String),
}

crate::error_text::debug_is_display!(EndpointSettingsError);

/// Headers that frame the request or that the sender sets; `webhook-*` and `svix-*` besides.
const RESERVED_HEADERS: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

impl NewEndpoint {
    pub(crate) fn check(&self) -> Result<(), EndpointSettingsError> {
        if !(1..=EVENT_TYPES_MAX).contains(&self.event_types.len()) {
            return Err(EndpointSettingsError::EventTypes(self.event_types.len()));
        }
        for pattern in &self.event_types {
            let exact = pattern.strip_suffix('*').unwrap_or(pattern);
            let valid =
                pattern == "*" || is_token(exact, crate::event::EVENT_TYPE_BYTES_MAX, b"_.:/-");
            if !valid {
                return Err(EndpointSettingsError::EventType(shorten(pattern)));
            }
        }
        if let Some(requests) = self.settings.in_flight
            && !(1..=IN_FLIGHT_MAX).contains(&requests)
        {
            return Err(EndpointSettingsError::InFlight(requests));
        }
        let headers = &self.settings.headers;
        let bytes = headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if headers.len() > OWN_HEADERS_MAX || bytes > OWN_HEADERS_BYTES_MAX {
            return Err(EndpointSettingsError::Headers {
                count: headers.len(),
                bytes,
            });
        }
        for (name, value) in headers {
            let invalid = || EndpointSettingsError::Header(shorten(name));
            let parsed = HeaderName::try_from(name.as_str()).map_err(|_| invalid())?;
            HeaderValue::try_from(value.as_str()).map_err(|_| invalid())?;
            let name = parsed.as_str();
            if RESERVED_HEADERS.contains(&name)
                || name.starts_with("webhook-")
                || name.starts_with("svix-")
            {
                return Err(EndpointSettingsError::Reserved(name.to_owned()));
            }
        }
        Ok(())
    }
}

/// Whether an endpoint that names `patterns` wants `event_type`.
pub(crate) fn wants(patterns: &[String], event_type: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => event_type.starts_with(prefix),
            None => pattern == event_type,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_match_exactly_by_prefix_or_all() {
        let patterns = |pattern: &str| vec![pattern.to_owned()];
        assert!(wants(&patterns("*"), "random_number:generate"));
        assert!(wants(
            &patterns("random_number:*"),
            "random_number:generate"
        ));
        assert!(!wants(
            &patterns("random_number:*"),
            "random_letter:generate"
        ));
        assert!(wants(&patterns("a"), "a") && !wants(&patterns("a"), "ab"));
    }

    #[test]
    fn settings_out_of_range_are_refused_with_their_limit() {
        let refused = |endpoint: NewEndpoint| endpoint.check().unwrap_err();
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
            EndpointSettingsError::Reserved("host".to_owned())
        );
        assert_eq!(
            refused(url().header("a b", "x")),
            EndpointSettingsError::Header("a b".to_owned())
        );
        assert_eq!(
            refused(url().header("a", "x\r\ny")),
            EndpointSettingsError::Header("a".to_owned())
        );
        assert!(url().header("X-Api-Key", "k").check().is_ok());
    }
}
