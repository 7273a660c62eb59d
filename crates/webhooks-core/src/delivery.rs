//! A delivery: one event owed to one endpoint, and what became of it.

use std::{fmt, time::SystemTime};

use crate::{
    attempt::{Attempt, Outcome},
    endpoint::EndpointId,
};

/// One event owed to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// When the event was stored.
    pub created_at: SystemTime,
    /// The endpoint it is owed to.
    pub endpoint_id: EndpointId,
    /// The endpoint's URL, credentials hidden; empty when the endpoint was removed.
    pub url: String,
    /// Why the endpoint is disabled, when it is.
    pub disabled: Option<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Every attempt that is still kept, the oldest first.
    pub attempts: Vec<Attempt>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryState {
    /// The next attempt comes at `due_at`.
    Waiting {
        /// When the next attempt is due.
        due_at: SystemTime,
    },
    /// In this process's memory: a request is being made or is about to be.
    InFlight,
    /// It waits for its endpoint.
    Held {
        /// For what.
        reason: HoldReason,
        /// When the endpoint is next tried; `None` when that needs a person.
        next_try: Option<SystemTime>,
    },
    /// The receiver took it.
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

/// For what a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HoldReason {
    /// The endpoint is paused.
    Paused,
    /// The endpoint is in trouble, and tried with one delivery at a time.
    Trouble,
    /// The endpoint is ordered, and an earlier delivery has not got through.
    BehindHead,
    /// More is owed to the endpoint than is kept in memory.
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
    /// The word for it in the store and in logs.
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

    /// The inverse of [`EndReason::as_str`]; `None` for a word that no version has stored.
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
            Self::BehindHead => "an earlier delivery of this ordered endpoint has not got through",
            Self::Backlog => "more is pending for the endpoint than is sent at once",
        })
    }
}

/// The answer to "why did it not arrive?" for one event and one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// There is a delivery; its state and attempts tell.
    Delivery(Box<Delivery>),
    /// The endpoint does not want the event's type.
    Filtered {
        /// The event's type.
        event_type: String,
        /// What the endpoint wants.
        wanted: Vec<String>,
    },
    /// The endpoint was added after the event was sent.
    AddedLater {
        /// When the event was stored.
        event_at: SystemTime,
        /// When the endpoint was added.
        endpoint_at: SystemTime,
    },
    /// No delivery is on record although the endpoint wants the type now: it changed its event
    /// types since, or the record is older than the retention.
    NotOnRecord,
    /// The customer has no such event, or no longer.
    NoSuchEvent,
    /// The customer has no such endpoint, or no longer.
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
                "no delivery is on record: the endpoint's event types changed since, or retention removed it",
            ),
            Self::NoSuchEvent => f.write_str("there is no such event"),
            Self::NoSuchEndpoint => f.write_str("there is no such endpoint"),
        }
    }
}
