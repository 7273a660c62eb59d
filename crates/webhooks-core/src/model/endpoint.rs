//! An endpoint as the engine uses it: read from the store once, and replaced as a whole when it changes.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use url::Url;

use crate::{
    activity::{Activity, ActivityKind},
    clock::{Timeline, millis},
    endpoint::{Endpoint, EndpointId, EndpointState},
    retry::RetrySchedule,
    secret::Secret,
    signature::legacy::LegacySignature,
};

/// An endpoint, ready to be sent to.
pub(crate) struct EndpointRecord {
    pub(crate) key: i64,
    pub(crate) id: EndpointId,
    pub(crate) customer: Arc<str>,
    /// Without credentials.
    pub(crate) url: Url,
    /// As people see it.
    pub(crate) shown_url: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) ordered: bool,
    pub(crate) state: EndpointState,
    pub(crate) in_flight: usize,
    /// Several engines deliver to it at once, each with a share of the default limit on requests in flight.
    pub(crate) shares: bool,
    /// Several engines are delivering, and its order or limits apply across all of them: one engine holds its
    /// lane, and the others add to that lane.
    pub(crate) keeps_lane: bool,
    /// The time between two requests, for an endpoint with a rate limit.
    pub(crate) interval: Option<Duration>,
    pub(crate) schedule: Arc<RetrySchedule>,
    /// Its own headers and credentials; the sender adds the rest.
    pub(crate) headers: HeaderMap<HeaderValue>,
    pub(crate) secrets: Vec<SigningSecret>,
    /// A second set of signature headers, for the system that the receiver is migrating from.
    pub(crate) legacy: Option<LegacySignature>,
    pub(crate) created_at: i64,
    pub(crate) failing_since: Option<i64>,
}

/// A secret and when it stops signing.
pub(crate) struct SigningSecret {
    pub(crate) secret: Secret,
    /// On the timeline; `None`: it signs until it is rotated away.
    pub(crate) expires_at: Option<i64>,
}

/// Added to the schedule's own span, for jitter, `Retry-After` and slow receivers.
const EXPIRY_MARGIN: Duration = Duration::from_secs(3600);

impl EndpointRecord {
    /// When a delivery that is new to the lane is due. Those of an ordered endpoint have no due time of their own:
    /// they follow one another.
    pub(crate) fn due_in_lane(&self, now: i64) -> i64 {
        if self.ordered { 0 } else { now }
    }

    /// How long a delivery may wait before it is given up, in milliseconds.
    pub(crate) fn expires_after_ms(&self) -> i64 {
        millis(self.schedule.span().mul_f64(1.1) + EXPIRY_MARGIN)
    }

    pub(crate) fn activity(&self, event_id: Option<String>, kind: ActivityKind) -> Activity {
        Activity {
            customer: self.customer.to_string(),
            endpoint_id: self.id.clone(),
            url: self.shown_url.clone(),
            event_id,
            kind,
        }
    }

    pub(crate) fn to_public(&self, timeline: &Timeline) -> Endpoint {
        Endpoint {
            id: self.id.clone(),
            customer: self.customer.to_string(),
            url: self.shown_url.clone(),
            event_types: self.event_types.clone(),
            ordered: self.ordered,
            state: self.state.clone(),
            failing_since: self.failing_since.map(|at| timeline.to_wall(at)),
            created_at: timeline.to_wall(self.created_at),
        }
    }
}

/// A customer's endpoint.
#[derive(Debug, Clone)]
pub(crate) struct EndpointOf {
    pub(crate) customer: String,
    pub(crate) id: EndpointId,
}

/// The changes that a person can make to an endpoint's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateChange {
    Pause,
    Resume,
    Enable,
    /// With the reason.
    Disable(String),
}

/// A change that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateConflict {
    /// With the reason.
    Disabled(String),
    Paused,
}

impl StateChange {
    /// The name of the state that `present` becomes, and its reason; `None` if the endpoint is already in that
    /// state.
    ///
    /// # Errors
    /// Only a resume ends a pause, and only enabling ends a disabled state.
    pub(crate) fn of(
        &self,
        present: EndpointState,
    ) -> Result<Option<(&'static str, &str)>, StateConflict> {
        Ok(Some(match (self, present) {
            (Self::Pause | Self::Resume, EndpointState::Disabled { reason }) => {
                return Err(StateConflict::Disabled(reason));
            }
            (Self::Enable, EndpointState::Paused) => return Err(StateConflict::Paused),
            (Self::Pause, EndpointState::Paused)
            | (Self::Resume | Self::Enable, EndpointState::Active) => return Ok(None),
            (Self::Pause, EndpointState::Active) => ("paused", ""),
            (Self::Resume, EndpointState::Paused)
            | (Self::Enable, EndpointState::Disabled { .. }) => ("active", ""),
            (Self::Disable(reason), _) => ("disabled", reason),
        }))
    }
}

impl fmt::Display for StateChange {
    /// What was done to the endpoint, as in "an endpoint was paused".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => f.write_str("paused"),
            Self::Resume => f.write_str("resumed"),
            Self::Enable => f.write_str("enabled"),
            Self::Disable(reason) => write!(f, "disabled: {reason}"),
        }
    }
}
