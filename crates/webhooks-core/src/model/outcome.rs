//! The outcome of an attempt, as it is stored: the record of the attempt, what becomes of its delivery, and what
//! it means for its endpoint.

use std::{borrow::Cow, time::Duration};

use crate::{
    attempt::{Attempt, BodyCut, Failure, Outcome},
    clock::Timeline,
    delivery::EndReason,
};

/// One attempt, as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct AttemptRecord {
    /// On the timeline.
    pub(crate) at: i64,
    pub(crate) duration: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<Failure>,
    /// `name: value` lines.
    pub(crate) headers: String,
    pub(crate) body_head: Vec<u8>,
    pub(crate) body_cut: Option<BodyCut>,
}

/// What becomes of the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    /// Waits on its own until `due_at`.
    Retry {
        due_at: i64,
    },
    /// Waits in the endpoint's lane, which is not tried until the backoff is over.
    Lane {
        due_at: i64,
        backoff: Backoff,
    },
    End(EndReason),
}

/// What an attempt means for its endpoint. It is stored in the same transaction as the attempt's outcome; if that
/// transaction fails, it is repeated with both.
#[derive(Default)]
pub(crate) struct Consequences {
    /// Whether it has started or stopped failing.
    pub(crate) failing_changed: bool,
    /// When its lane is next tried, even though this delivery does not go there.
    pub(crate) lane: Option<Backoff>,
    pub(crate) disabled: Option<Disabling>,
    /// Whether its outbox counts this outcome as on its way to the lane.
    pub(crate) returning: bool,
}

/// Why an endpoint is disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disabling {
    pub(crate) reason: String,
    /// Since when every attempt made by this engine has failed, if that is the reason: an attempt by another
    /// engine may have succeeded.
    pub(crate) failing_since: Option<i64>,
}

/// How long a lane is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Backoff {
    pub(crate) until: i64,
    /// Failed probes in a row.
    pub(crate) failures: u32,
}

impl AttemptRecord {
    pub(crate) fn to_public(&self, timeline: &Timeline, number: u32) -> Attempt {
        Attempt {
            number,
            at: timeline.to_wall(self.at),
            duration: self.duration,
            outcome: self
                .failure
                .clone()
                .map_or(Outcome::Success, Outcome::Failure),
            status: self.status,
            headers: header_pairs(&self.headers),
            body_head: self.body_head.clone(),
            body_cut: self.body_cut,
        }
    }

    /// Details of the failure or of how the body was cut off. For a status failure the status says everything.
    pub(crate) fn detail(&self) -> Option<Cow<'static, str>> {
        match (self.body_cut, &self.failure) {
            (Some(cut), _) => Some(cut.code().into()),
            (None, Some(failure)) => Some(failure.detail().into()),
            (None, None) => None,
        }
    }
}

/// The inverse of how headers are stored.
pub(crate) fn header_pairs(lines: &str) -> Vec<(String, String)> {
    lines
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
