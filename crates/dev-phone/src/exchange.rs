//! What passed between a program and the phone, for the page: a person sees there why a text did
//! not come even when no text exists.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How something went, for its colour on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// As wished.
    Good,
    /// Not as wished.
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

/// One request and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) at: Timestamp,
    /// The request, such as `status callback: sent`.
    pub(crate) what: String,
    /// What came of it, such as `answered 204`.
    pub(crate) outcome: String,
    pub(crate) tone: Tone,
}
