//! The exchanges between a program and the phone, for the page: they show why a text did not come
//! even if no text exists.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How something went, for its colour on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// As wanted.
    Good,
    /// Not as wanted.
    Bad,
    /// Not known yet.
    Open,
}

impl Tone {
    /// The class of its colour in the shared stylesheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "bad",
            Self::Open => "soft",
        }
    }
}

/// One request and its outcome.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) at: Timestamp,
    /// The request, such as `status callback: sent`.
    pub(crate) what: String,
    /// The outcome, such as `answered 204`.
    pub(crate) outcome: String,
    pub(crate) tone: Tone,
}
