//! An endpoint: a URL with its secrets and the event types it wants.

pub(crate) mod change;
pub(crate) mod header_names;
pub(crate) mod new;
pub(crate) mod settings;

use std::{fmt, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::{
    event::shorten,
    secret::{Secret, SecretKind},
};

pub use change::EndpointChange;
pub use new::NewEndpoint;
pub use settings::{EndpointSettings, EndpointSettingsError, OwnHeader};

/// The maximum number of requests in flight to one endpoint, unless set otherwise.
pub const IN_FLIGHT_DEFAULT: u32 = 8;
/// The highest limit on requests in flight that an endpoint can set.
pub const IN_FLIGHT_MAX: u32 = 256;
/// The maximum number of endpoints that one customer can have: each event costs a delivery for each of them.
pub const ENDPOINTS_PER_CUSTOMER_MAX: usize = 1_000;
/// The maximum number of secrets of one endpoint that sign at the same time: the newest, and those within their
/// grace period.
pub const SECRETS_MAX: usize = 8;
/// The maximum number of event types that one endpoint can name.
pub const EVENT_TYPES_MAX: usize = 64;
/// The maximum number of headers of its own that an endpoint can have.
pub const OWN_HEADERS_MAX: usize = 20;
/// The longest reason for disabling an endpoint, in bytes.
pub const DISABLE_REASON_BYTES_MAX: usize = 256;
/// The maximum number of bytes of an endpoint's own headers, names and values together.
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
    /// Any text is accepted; an id that no endpoint has is reported when it is used.
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
    /// Events are not kept pending but recorded as [`EndReason::Disabled`](crate::EndReason::Disabled); enable the
    /// endpoint and replay them.
    Disabled {
        /// Why, as text for people: "the receiver answered 410 Gone", "every attempt failed for 5 days", or the
        /// reason that was given.
        reason: String,
    },
}

/// An endpoint as listings show it, without its secrets and URL credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The customer that it belongs to.
    pub customer: String,
    /// Where events go, with credentials hidden.
    pub url: String,
    /// The event types that it wants: exact, `prefix*`, or `*`.
    pub event_types: Vec<String>,
    /// Whether it gets its events one at a time, in commit order.
    pub ordered: bool,
    /// Whether it gets events now.
    pub state: EndpointState,
    /// Since when every attempt has failed; `None` when the last one succeeded.
    pub failing_since: Option<SystemTime>,
    /// When it was added.
    pub created_at: SystemTime,
}

/// The result of [`Endpoints::add`](crate::Endpoints::add). The secret is shown here and never again.
#[derive(Debug)]
pub struct AddedEndpoint {
    /// The endpoint's id.
    pub id: EndpointId,
    /// Give it to the receiver; `expose()` reveals it.
    pub secret: Secret,
    /// The endpoint as listings show it.
    pub endpoint: Endpoint,
}

/// One secret of an endpoint as listings show it, without the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretInfo {
    /// 1 for the endpoint's first secret; each rotation takes the next number.
    pub number: u32,
    /// The kind of secret; `None` if the stored value is damaged or encrypted with another key.
    pub kind: Option<SecretKind>,
    /// When it was added; `None` if it was stored before this was recorded.
    pub created_at: Option<SystemTime>,
    /// When it stops signing; `None` for the newest, which signs until another replaces it.
    pub expires_at: Option<SystemTime>,
}

/// Checks the reason that a person gives for disabling an endpoint.
pub(crate) fn check_reason(reason: &str) -> Result<(), EndpointSettingsError> {
    let valid = !reason.trim().is_empty()
        && reason.len() <= DISABLE_REASON_BYTES_MAX
        && !reason.chars().any(char::is_control);
    if valid {
        Ok(())
    } else {
        Err(EndpointSettingsError::DisableReason(shorten(reason)))
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
}
