//! A journey in sentences: what happened, and what happens next.
//!
//! Everything on the page is said here, so that the live page, the page without JavaScript and
//! the history say the same. It never says more than the journey's facts do.

mod exchange;
mod headline;
mod outcome;
mod steps;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use crate::{journey::Journey, moment::Moment};
pub(crate) use exchange::Exchange;
use headline::headline;
use steps::{leg_branch, text_step};

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

/// One journey, told.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) number: u16,
    pub(crate) tone: Tone,
    /// The one sentence that matters most.
    pub(crate) headline: String,
    /// What it means and what comes next.
    pub(crate) more: Option<Line>,
    /// Two words for the history.
    pub(crate) short: &'static str,
    /// When it was drawn.
    pub(crate) drawn: Line,
    /// One for each endpoint: they are called at the same time.
    pub(crate) branches: Vec<Branch>,
}

/// The webhook to one endpoint.
#[derive(Debug)]
pub(crate) struct Branch {
    /// What the endpoint is called.
    pub(crate) name: String,
    /// Its address.
    pub(crate) url: String,
    /// How the delivery went.
    pub(crate) step: Step,
    /// The attempts, oldest first.
    pub(crate) attempts: Vec<(Line, Exchange)>,
    /// What came of it at the texter.
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
    /// Whether that time was still to come: worth a countdown.
    pub(crate) ahead: bool,
}

impl Line {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            at: None,
            ahead: false,
        }
    }

    fn at(text: impl Into<String>, at: SystemTime) -> Self {
        Self {
            text: text.into(),
            at: Some(Moment::new(at)),
            ahead: false,
        }
    }

    /// A line on what comes at `due`: the time when it is ahead, "any moment" when it is not.
    fn next_try(due: SystemTime, now: SystemTime) -> Self {
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

impl Story {
    /// Links each webhook to `endpoint` to where `address` says that the attempt is shown.
    pub(crate) fn link(&mut self, endpoint: &str, address: impl Fn(u32) -> String) {
        let branches = self.branches.iter_mut();
        for branch in branches.filter(|branch| branch.name == endpoint) {
            for (_, exchange) in &mut branch.attempts {
                exchange.in_polis = Some(address(exchange.attempt));
            }
        }
    }
}

/// Tells `journey` as of `now`.
pub(crate) fn tell(journey: &Journey, now: SystemTime) -> Story {
    let (tone, short, headline, more) = headline(journey, now);
    let mut branches: Vec<Branch> = journey
        .legs
        .iter()
        .map(|leg| Branch {
            // The text follows from the texter's webhook.
            text: leg.texter.then(|| text_step(journey)).flatten(),
            ..leg_branch(leg, now)
        })
        .collect();
    // One is open from the start: a webhook is what this page is about.
    if let Some((_, newest)) = branches
        .first_mut()
        .and_then(|first| first.attempts.last_mut())
    {
        newest.open = true;
    }
    Story {
        number: journey.number,
        tone,
        headline,
        more,
        short,
        drawn: Line::at(
            format!("{number} was drawn at", number = journey.number),
            journey.drawn_at,
        ),
        branches,
    }
}
