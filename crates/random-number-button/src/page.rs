//! The page and the two parts of it that change live.

use std::time::SystemTime;

use askama::Template;

use crate::{
    journey::Journey,
    moment::Moment,
    story::{self, Story},
};

/// Numbers shown in the history.
pub(crate) const HISTORY_SHOWN: usize = 8;

/// The whole page.
#[derive(Debug, Template)]
#[template(path = "page.html")]
pub(crate) struct Page {
    pub(crate) pages: Vec<serve::PageLink>,
    /// Why nothing was generated, after a press that led to nothing.
    pub(crate) notice: Option<String>,
    /// Where the page's parts come from live.
    pub(crate) live: String,
    /// This page's own address.
    pub(crate) here: String,
    pub(crate) story: Option<Story>,
    pub(crate) history: History,
}

/// The journey of one number.
#[derive(Debug, Template)]
#[template(path = "journey.html")]
pub(crate) struct JourneyPart {
    pub(crate) story: Story,
}

/// The last numbers.
#[derive(Debug, Template)]
#[template(path = "history.html")]
pub(crate) struct History {
    entries: Vec<Entry>,
}

/// One number of the history.
#[derive(Debug)]
struct Entry {
    number: u16,
    address: String,
    drawn: Moment,
    tone: &'static str,
    short: &'static str,
    /// Whether the page shows this number's journey.
    shown: bool,
}

impl History {
    /// The history as of `now`, with the journey of `shown` marked.
    pub(crate) fn new(journeys: &[Journey], shown: Option<&str>, now: SystemTime) -> Self {
        let entries = journeys
            .iter()
            .map(|journey| {
                let story = story::tell(journey, now);
                Entry {
                    number: journey.number,
                    address: address(journey.number, &journey.event_id),
                    drawn: Moment::new(journey.drawn_at),
                    tone: story.tone.class(),
                    short: story.short,
                    shown: shown == Some(journey.event_id.as_str()),
                }
            })
            .collect();
        Self { entries }
    }
}

/// The page's address for one number's journey.
pub(crate) fn address(number: u16, event_id: &str) -> String {
    format!("/?num={number}&event={event_id}")
}
