//! An endpoint's settings: how they are stored, how people see them, and what is refused.

use std::{fmt, num::NonZeroU32, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{
    DISABLE_REASON_BYTES_MAX, EVENT_TYPES_MAX, IN_FLIGHT_MAX, OWN_HEADERS_BYTES_MAX,
    OWN_HEADERS_MAX,
};
use crate::{
    event::{EVENT_TYPE_BYTES_MAX, is_token, shorten},
    retry::RetrySchedule,
    signature::legacy::{LegacySignature, LegacySignatureError},
};

/// The part of an endpoint that is stored as one JSON document: read as a whole, never searched.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StoredSettings {
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

/// The settings of an endpoint that [`Endpoint`](super::Endpoint) does not show. `None` is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointSettings {
    /// The maximum number of requests in flight; an ordered endpoint has 1, whatever is set.
    pub in_flight: Option<u32>,
    /// The maximum number of requests per second.
    pub per_second: Option<NonZeroU32>,
    /// Its own retry schedule.
    pub retry: Option<RetrySchedule>,
    /// Its own headers, in the order in which they are sent.
    pub headers: Vec<OwnHeader>,
    /// The second signature that is sent with every request.
    pub also_sign: Option<LegacySignature>,
}

/// An endpoint's own header. Its value may be an API key and does not appear in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnHeader {
    name: String,
    value: String,
}

impl OwnHeader {
    /// Its name, as given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value; this is the only way to see it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for OwnHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnHeader({}: ..)", self.name)
    }
}

/// What is wrong with an endpoint's settings.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointSettingsError {
    /// No event types, or too many.
    #[error("an endpoint must name 1 to {EVENT_TYPES_MAX} event types, not {0}")]
    EventTypes(usize),
    /// A pattern that cannot match anything.
    #[error(
        "event type {0:?} is invalid: use an exact type, a prefix with one star at its end, or *"
    )]
    EventType(String),
    /// Outside the range 1 to [`IN_FLIGHT_MAX`].
    #[error("{0} requests in flight is out of range: use 1 to {IN_FLIGHT_MAX}")]
    InFlight(u32),
    /// More headers than [`OWN_HEADERS_MAX`], or more bytes than [`OWN_HEADERS_BYTES_MAX`].
    #[error(
        "{count} own headers of {bytes} bytes are too many: the limits are {OWN_HEADERS_MAX} headers and {OWN_HEADERS_BYTES_MAX} bytes"
    )]
    Headers {
        /// The number of headers.
        count: usize,
        /// The bytes of names and values together.
        bytes: usize,
    },
    /// An invalid header name or value.
    #[error(
        "header {0:?} is invalid: use letters, digits, - and _ in its name, visible ASCII in its value"
    )]
    Header(String),
    /// A reason for disabling that is empty, too long, or contains control characters.
    #[error(
        "the reason {0:?} is invalid: use 1 to {DISABLE_REASON_BYTES_MAX} bytes without control characters"
    )]
    DisableReason(String),
    /// A second signature whose header or secret cannot be used.
    #[error("the second signature {0:?} cannot be made: {1}")]
    AlsoSign(String, #[source] LegacySignatureError),
    /// A header that the sender sets itself, or that delimits the request.
    #[error("header {name:?} cannot be an endpoint's own: {reason}")]
    Reserved {
        /// Its name.
        name: String,
        /// What the header is for.
        reason: &'static str,
    },
    /// A header that would be sent twice.
    #[error("header {name:?} would be sent twice: {reason}")]
    Twice {
        /// Its name.
        name: String,
        /// Where it comes from already.
        reason: &'static str,
    },
}

crate::error_text::debug_is_display!(EndpointSettingsError);

/// The name of a stored setting that cannot be used.
pub(crate) type UnreadableSetting = &'static str;

impl StoredSettings {
    /// Refuses values that are out of range; header names are checked separately, together with the URL.
    pub(crate) fn check(&self) -> Result<(), EndpointSettingsError> {
        if let Some(requests) = self.in_flight
            && !(1..=IN_FLIGHT_MAX).contains(&requests)
        {
            return Err(EndpointSettingsError::InFlight(requests));
        }
        let headers = &self.headers;
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
        Ok(())
    }

    /// Its own retry schedule, if it has one.
    pub(crate) fn schedule(&self) -> Result<Option<RetrySchedule>, UnreadableSetting> {
        let Some(waits) = &self.retry_waits_s else {
            return Ok(None);
        };
        let waits: Result<Vec<Duration>, _> = waits
            .iter()
            .map(|wait| Duration::try_from_secs_f64(*wait))
            .collect();
        let schedule = waits.ok().and_then(|waits| RetrySchedule::new(waits).ok());
        schedule.map(Some).ok_or("its retry schedule")
    }

    /// Its own headers, marked as sensitive.
    pub(crate) fn header_map(&self) -> Result<HeaderMap, UnreadableSetting> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                return Err("one of its own headers");
            };
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(headers)
    }

    pub(crate) fn legacy(&self) -> Result<Option<LegacySignature>, UnreadableSetting> {
        let Some((format, secret)) = &self.also_sign else {
            return Ok(None);
        };
        let legacy = LegacySignature::parse(format, secret);
        legacy.map(Some).map_err(|_| "its second signature")
    }

    pub(crate) fn to_public(&self) -> Result<EndpointSettings, UnreadableSetting> {
        let header = |(name, value): &(String, String)| OwnHeader {
            name: name.clone(),
            value: value.clone(),
        };
        Ok(EndpointSettings {
            in_flight: self.in_flight,
            per_second: self.per_second,
            retry: self.schedule()?,
            headers: self.headers.iter().map(header).collect(),
            also_sign: self.legacy()?,
        })
    }
}

/// Refuses patterns that cannot match anything.
pub(crate) fn check_event_types(patterns: &[String]) -> Result<(), EndpointSettingsError> {
    if !(1..=EVENT_TYPES_MAX).contains(&patterns.len()) {
        return Err(EndpointSettingsError::EventTypes(patterns.len()));
    }
    for pattern in patterns {
        let exact = pattern.strip_suffix('*').unwrap_or(pattern);
        let valid = pattern == "*" || is_token(exact, EVENT_TYPE_BYTES_MAX, b"_.:/-");
        if !valid {
            return Err(EndpointSettingsError::EventType(shorten(pattern)));
        }
    }
    Ok(())
}
