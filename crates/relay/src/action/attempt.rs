//! One try of an action, and how it ended.

use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::{Before, Done, Entry};

/// Is added to what people read when it may have been sent before.
pub(super) const REPEAT_NOTE: &str =
    "(This may be a repeat: relay was cut off while it sent it before.)";

/// One try of an action for one event.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Which action, for which event.
    pub(crate) entry: Entry,
    pub(crate) now: Timestamp,
    /// A try before this one that may have done it.
    pub(crate) before: Option<Before>,
}

impl Attempt {
    /// Says in a text for people when it may be a repeat.
    pub(super) fn noted(&self, text: String) -> String {
        match self.before {
            Some(_) => format!("{text}\n\n{REPEAT_NOTE}"),
            None => text,
        }
    }
}

/// How a try ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is done.
    Done(Done),
    /// Not now; there is a next try.
    Failed {
        reason: String,
        /// As the provider asks.
        retry_after: Option<Duration>,
        /// Whether it may have been done.
        in_doubt: bool,
    },
    /// It will never be taken as it is.
    Refused { reason: String },
}

impl Outcome {
    pub(crate) fn done(note: impl Into<String>) -> Self {
        Self::Done(Done {
            note: note.into(),
            ..Done::default()
        })
    }

    /// Certainly not done.
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
            retry_after: None,
            in_doubt: false,
        }
    }

    /// Perhaps done.
    pub(super) fn in_doubt(reason: impl Into<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
            retry_after: None,
            in_doubt: true,
        }
    }
}

/// At most `max` characters, with an ellipsis where it was cut.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max - 1).chain(['…']).collect()
}
