//! The page, and its two parts that are updated live.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use askama::Template;

use crate::{
    breakage::Breakage,
    journey::Journey,
    moment::Moment,
    polling::{Comparison, INTERVALS_SECONDS},
    story::{self, Story},
};

/// Numbers shown in the history.
pub(crate) const HISTORY_SHOWN: usize = 8;

/// The page's styles and scripts.
pub(crate) static ASSETS: LazyLock<serve::Assets> = LazyLock::new(
    || serve::assets!("../../../templates/random-number-button/": "button.css", "button.js", "icon.svg"),
);

/// The whole page.
#[derive(Debug, Template)]
#[template(path = "page.html")]
pub(crate) struct Page {
    pub(crate) pages: Vec<serve::PageLink>,
    /// Where the phone's page is, when one runs.
    pub(crate) phone: Option<String>,
    /// Why nothing was generated, after a press that failed.
    pub(crate) notice: Option<String>,
    /// The URL of the parts that change.
    pub(crate) parts: String,
    /// The polling interval, after which the comparison with polling changes too.
    pub(crate) poll_seconds: u64,
    /// This page's own address.
    pub(crate) here: String,
    pub(crate) story: Option<Story>,
    /// What was broken for this number.
    pub(crate) broken: Option<Breakage>,
    pub(crate) guide: Option<Guide>,
    /// Which of the two buttons holds which deliveries, as HTML.
    pub(crate) twin: Option<String>,
    /// The event of the journey that is shown, for the form that chooses an interval.
    pub(crate) shown: Option<(u16, String)>,
    pub(crate) polling: Option<PollingPart>,
    pub(crate) history: History,
}

impl Page {
    /// Whether this breakage applied to the number that is shown.
    fn met(&self, breakage: &Breakage) -> bool {
        self.broken.as_ref() == Some(breakage)
    }
}

/// The guided path.
#[derive(Debug)]
pub(crate) struct Guide {
    /// Whether the phone is in airplane mode, and texts do not arrive until it is switched off.
    pub(crate) airplane: bool,
    /// Whether there is another button on the same database.
    pub(crate) has_twin: bool,
}

impl Guide {
    fn steps(&self) -> Vec<Breakage> {
        let there = |step: &Breakage| self.has_twin || *step != Breakage::TwinKilled;
        Breakage::ALL.into_iter().filter(there).collect()
    }
}

/// Polling compared with the webhooks.
#[derive(Debug, Template)]
#[template(path = "polling.html")]
pub(crate) struct PollingPart {
    pub(crate) comparison: Comparison,
}

impl PollingPart {
    fn since(&self) -> Moment {
        Moment::new(self.comparison.since)
    }

    fn interval(&self) -> String {
        spoken_seconds(self.comparison.interval.as_secs())
    }

    /// The intervals to choose from: seconds, words, and whether it is the chosen one.
    fn intervals(&self) -> Vec<(u64, String, bool)> {
        let chosen = self.comparison.interval.as_secs();
        let choice = |seconds: &u64| (*seconds, spoken_seconds(*seconds), *seconds == chosen);
        INTERVALS_SECONDS.iter().map(choice).collect()
    }

    /// Polls that would have brought nothing new.
    fn in_vain(&self) -> u64 {
        self.comparison.polls - self.comparison.useful
    }

    fn lateness(&self) -> Option<String> {
        self.comparison.lateness.map(spoken)
    }

    fn post(&self) -> Option<String> {
        self.comparison.post.map(spoken)
    }
}

fn spoken_seconds(seconds: u64) -> String {
    match seconds {
        1 => "second".to_owned(),
        60 => "minute".to_owned(),
        seconds if seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

/// A duration in milliseconds below one second, in tenths of a second above.
fn spoken(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{}\u{a0}ms", time.as_millis())
    } else {
        format!("{:.1}\u{a0}s", time.as_secs_f64())
    }
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

/// The URL at which the button redirects to polis's page on an attempt.
pub(crate) fn in_polis(event_id: &str, attempt: u32) -> String {
    format!("/in-polis?event={event_id}&attempt={attempt}")
}

/// The page's address for one number's journey.
pub(crate) fn address(number: u16, event_id: &str) -> String {
    format!("/?num={number}&event={event_id}")
}
