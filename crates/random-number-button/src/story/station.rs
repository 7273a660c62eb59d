//! The parts of a story: stations of a journey, their sentences, and how good the news is.

use std::time::SystemTime;

use super::exchange::Exchange;
use crate::moment::Moment;

/// How good the news is; the stylesheet's `ok`, `warn`, `bad`, or `soft` while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Open,
    Good,
    Careful,
    Bad,
}

impl Tone {
    /// The class of the shared stylesheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Open => "soft",
            Self::Good => "ok",
            Self::Careful => "warn",
            Self::Bad => "bad",
        }
    }
}

/// The webhook to one endpoint.
#[derive(Debug)]
pub(crate) struct Branch {
    /// The endpoint's name.
    pub(crate) name: String,
    /// Its address.
    pub(crate) url: String,
    /// How the delivery went.
    pub(crate) step: Step,
    /// The attempts, oldest first.
    pub(crate) attempts: Vec<(Line, Exchange)>,
    /// The text that the texter made of it.
    pub(crate) text: Option<Step>,
}

/// One station of the journey.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) tone: Tone,
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

/// A sentence that may end in a time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) at: Option<Moment>,
    /// Whether that time was still ahead, and so is shown with a countdown.
    pub(crate) ahead: bool,
}

impl Line {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            at: None,
            ahead: false,
        }
    }

    pub(super) fn at(text: impl Into<String>, at: SystemTime) -> Self {
        Self {
            text: text.into(),
            at: Some(Moment::new(at)),
            ahead: false,
        }
    }

    /// A line about the next attempt at `due`: the time if it is ahead, else "any moment".
    pub(super) fn next_try(due: SystemTime, now: SystemTime) -> Self {
        if due > now {
            Self {
                ahead: true,
                ..Self::at("It tries again at", due)
            }
        } else {
            Self::new("It tries again any moment.")
        }
    }
}
