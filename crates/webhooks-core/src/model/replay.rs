//! Selecting the events that are sent to an endpoint again.

use std::time::SystemTime;

use crate::endpoint::wants;

/// Events of the customer that one step of a replay looks at.
pub(crate) const LOOK_ROWS: usize = 5_000;
/// How many deliveries one transaction of a replay adds.
pub(crate) const REPLAY_ROWS: usize = 500;

/// Which events to send to an endpoint again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replay {
    /// Events sent at or after this time; `None`: from the oldest event that is kept.
    pub since: Option<SystemTime>,
    /// Events sent before this time; `None`: up to now.
    pub until: Option<SystemTime>,
    /// The earlier outcome of the events to select.
    pub outcome: ReplayOutcome,
    /// Only count them.
    pub dry_run: bool,
}

/// The earlier outcome of the events to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReplayOutcome {
    /// Given up: exhausted, expired, disabled, canceled, skipped.
    #[default]
    GivenUp,
    /// Delivered.
    Delivered,
    /// Never a delivery for this endpoint, although it wants them now: sent before it was added, or not among its
    /// event types then.
    NoDelivery,
}

/// One step of a replay's search through the events: the matches, and where to continue.
#[derive(Default)]
pub(crate) struct Look {
    pub(crate) seqs: Vec<i64>,
    pub(crate) next: Option<i64>,
}

/// An event that a replay looks at, and what became of it at the endpoint.
pub(crate) struct LookedAt {
    pub(crate) event_type: String,
    pub(crate) is_pending: bool,
    pub(crate) ended: bool,
    pub(crate) delivered: bool,
}

impl LookedAt {
    pub(crate) fn matches(&self, outcome: ReplayOutcome, wanted: &[String]) -> bool {
        !self.is_pending
            && match outcome {
                ReplayOutcome::GivenUp => self.ended && !self.delivered,
                ReplayOutcome::Delivered => self.delivered,
                ReplayOutcome::NoDelivery => {
                    !self.ended && !self.delivered && wants(wanted, &self.event_type)
                }
            }
    }
}
