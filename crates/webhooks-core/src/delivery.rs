//! A delivery: one event bound for one endpoint, and what became of it.

use std::{fmt, time::SystemTime};

use crate::{
    attempt::{Attempt, Outcome},
    endpoint::EndpointId,
};

/// One event bound for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// When the event was stored.
    pub created_at: SystemTime,
    /// The endpoint that it is for.
    pub endpoint_id: EndpointId,
    /// The endpoint's URL, with credentials hidden; empty if the endpoint was removed.
    pub url: String,
    /// Why the endpoint is disabled, if it is.
    pub disabled: Option<String>,
    /// Its current state.
    pub state: DeliveryState,
    /// Every attempt that is still kept, oldest first.
    pub attempts: Vec<Attempt>,
}

/// The state of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryState {
    /// The next attempt is made at `due_at`.
    Waiting {
        /// When the next attempt is due.
        due_at: SystemTime,
    },
    /// In this process's memory: a request is in progress or is about to be made.
    InFlight,
    /// It is waiting for its endpoint.
    Held {
        /// The reason.
        reason: HoldReason,
        /// When the endpoint is next tried; `None` if someone has to act first.
        next_try: Option<SystemTime>,
    },
    /// The receiver accepted it.
    Delivered {
        /// When.
        at: SystemTime,
    },
    /// It is not tried any more.
    Ended {
        /// Why.
        reason: EndReason,
        /// When that was decided.
        at: SystemTime,
    },
}

/// What a delivery is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HoldReason {
    /// The endpoint is paused.
    Paused,
    /// The endpoint is in trouble and is tried with one delivery at a time.
    Trouble,
    /// The endpoint is ordered, and an earlier delivery has not succeeded yet.
    BehindHead,
    /// More deliveries are pending for the endpoint than are kept in memory.
    Backlog,
}

/// Why a delivery is not tried any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// Every attempt of its schedule failed.
    Exhausted,
    /// It waited longer than its schedule lasts.
    Expired,
    /// Its endpoint is, or became, disabled.
    Disabled,
    /// A person or program cancelled it.
    Canceled,
    /// It was the head of an ordered endpoint, and was skipped.
    Skipped,
    /// Its endpoint was removed.
    Removed,
}

impl EndReason {
    /// Its name in the store and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::Removed => "removed",
        }
    }

    /// The inverse of [`EndReason::as_str`]; `None` for a word that no version has ever stored.
    pub(crate) fn from_stored(word: &str) -> Option<Self> {
        [
            Self::Exhausted,
            Self::Expired,
            Self::Disabled,
            Self::Canceled,
            Self::Skipped,
            Self::Removed,
        ]
        .into_iter()
        .find(|ending| ending.as_str() == word)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "every attempt failed",
            Self::Expired => "it waited longer than its retry schedule lasts",
            Self::Disabled => "the endpoint is disabled",
            Self::Canceled => "it was canceled",
            Self::Skipped => "it was skipped",
            Self::Removed => "the endpoint was removed",
        })
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paused => "the endpoint is paused",
            Self::Trouble => "the endpoint is in trouble",
            Self::BehindHead => "an earlier delivery to this ordered endpoint is still pending",
            Self::Backlog => "more deliveries are pending for the endpoint than are sent at once",
        })
    }
}

/// The answer to "why did it not arrive?" for one event and one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// There is a delivery; its state and attempts give the answer.
    Delivery(Box<Delivery>),
    /// The endpoint does not want events of this type.
    Filtered {
        /// The event's type.
        event_type: String,
        /// The event types that the endpoint wants.
        wanted: Vec<String>,
    },
    /// The endpoint was added after the event was sent.
    AddedLater {
        /// When the event was stored.
        event_at: SystemTime,
        /// When the endpoint was added.
        endpoint_at: SystemTime,
    },
    /// No delivery is on record although the endpoint wants the type now: either its event types have changed
    /// since, or the record is older than the retention period.
    NotOnRecord,
    /// The customer has no such event, or it is no longer kept.
    NoSuchEvent,
    /// The customer has no such endpoint, or it was removed.
    NoSuchEndpoint,
}

impl Delivery {
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let http_date = httpdate::fmt_http_date;
        match &self.state {
            DeliveryState::Waiting { due_at } => write!(f, "waiting until {}", http_date(*due_at))?,
            DeliveryState::InFlight => f.write_str("being delivered")?,
            DeliveryState::Held { reason, next_try } => {
                write!(f, "held: {reason}")?;
                if let Some(at) = next_try {
                    write!(f, "; next try {}", http_date(*at))?;
                }
            }
            DeliveryState::Delivered { at } => {
                return write!(f, "delivered {}", http_date(*at));
            }
            DeliveryState::Ended { reason, at } => {
                write!(f, "given up {}: {reason}", http_date(*at))?;
                if let (EndReason::Disabled, Some(why)) = (reason, &self.disabled) {
                    write!(f, " ({why})")?;
                }
            }
        }
        match self.attempts.last() {
            Some(Attempt {
                number,
                outcome: Outcome::Failure(failure),
                ..
            }) => write!(f, "; attempt {number} failed: {failure}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivery(delivery) => delivery.tell(f),
            Self::Filtered { event_type, wanted } => {
                write!(f, "filtered: the event is {event_type}; the endpoint wants {}", wanted.join(", "))
            }
            Self::AddedLater { .. } => f.write_str("the endpoint was added after the event was sent"),
            Self::NotOnRecord => f.write_str(
                "no delivery is on record: the endpoint's event types have changed since, or retention removed the record",
            ),
            Self::NoSuchEvent => f.write_str("there is no such event"),
            Self::NoSuchEndpoint => f.write_str("there is no such endpoint"),
        }
    }
}
