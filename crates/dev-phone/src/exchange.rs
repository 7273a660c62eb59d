//! What passed between a program and the phone, for the page: a person sees there why a text did
//! not come even when no text exists.

use jiff::Timestamp;

/// How an exchange went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
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
