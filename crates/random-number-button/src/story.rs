//! A journey in sentences: what happened, and what happens next.
//!
//! Everything on the page is said here, so that the live page, the page without JavaScript and
//! the history say the same. It never says more than the journey's facts do.

mod headline;
mod outcome;
mod steps;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use crate::{
    journey::{Journey, Leg},
    moment::Moment,
};
use headline::headline;
use steps::{leg_step, text_step};

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
    pub(crate) steps: Vec<Step>,
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

/// Tells `journey` as of `now`.
pub(crate) fn tell(journey: &Journey, now: SystemTime) -> Story {
    let (tone, short, headline, more) = headline(journey, now);
    let mut steps = vec![Step {
        tone: Tone::Good,
        title: "Generated".to_owned(),
        lines: vec![Line::at(
            format!("{} was drawn at", journey.number),
            journey.drawn_at,
        )],
    }];
    let (texter, others): (Vec<&Leg>, Vec<&Leg>) = journey.legs.iter().partition(|leg| leg.texter);
    steps.extend(texter.into_iter().map(|leg| leg_step(leg, now)));
    // The text follows from the texter's leg; endpoints that only listen come after it.
    steps.extend(text_step(journey));
    steps.extend(others.into_iter().map(|leg| leg_step(leg, now)));
    Story {
        number: journey.number,
        tone,
        headline,
        more,
        short,
        steps,
    }
}
