//! A journey in sentences: what happened, and what happens next.
//!
//! All of the page's sentences are made here, so that the live page, the page without JavaScript
//! and the history agree. They never claim more than the journey's facts.

mod exchange;
mod headline;
mod outcome;
mod station;
mod steps;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use crate::journey::Journey;
use headline::headline;
pub(crate) use station::{Branch, Line, Tone};
use steps::{leg_branch, text_step};

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

impl Story {
    /// Links each webhook to `endpoint` to the address that `address` gives for its attempt.
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
    // One is open from the start: this page is about webhooks.
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
