//! One attempt at an action, and how it ended.

use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::{Before, Done, Entry};

/// Added to what people read when it may have been sent before.
pub(super) const REPEAT_NOTE: &str =
    "(This may be a repeat: relay was interrupted while sending it before.)";

/// One attempt at an action for one event.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Which action, for which event.
    pub(crate) entry: Entry,
    pub(crate) now: Timestamp,
    /// An earlier attempt that may have done it.
    pub(crate) before: Option<Before>,
}

impl Attempt {
    /// Adds a note to a text for people when it may be a repeat.
    pub(super) fn noted(&self, text: String) -> String {
        match self.before {
            Some(_) => format!("{text}\n\n{REPEAT_NOTE}"),
            None => text,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is done.
    Done(Done),
    /// Not done now; it is tried again.
    Failed {
        reason: String,
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
        /// Whether it may have been done anyway.
        in_doubt: bool,
    },
    /// The provider will never accept it as it is.
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
