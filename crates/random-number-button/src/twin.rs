//! The other button on the same database, in the demo that has two: this one can have it draw a number,
//! end it, and see from the database which of the two holds what.
//!
//! Only a button that was told of another can be ended, by whoever knows the secret that both were
//! given.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use askama::Template;
use axum::http::{HeaderMap, header};
use parking_lot::Mutex;
use webhooks_core::Node;

use crate::{breakage::SwitchError, settings::TwinAt};

/// Where a button is ended.
pub(crate) const END: &str = "/twin/end";
/// Has the secret.
const SECRET: &str = "x-demo-twin";
/// The other button is on this machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The answer to whoever ends it leaves first.
const END_PAUSE: Duration = Duration::from_millis(50);
/// A node that was heard of less than this ago is well: it says each second that it lives.
const WELL: Duration = Duration::from_secs(3);
/// After so long it is taken for dead.
const LEASE_SECONDS: u64 = 10;
const WHO: &str = "The other button";

/// The other button.
#[derive(Debug)]
pub(crate) struct Twin {
    client: reqwest::Client,
    at: TwinAt,
    shown: Mutex<TwinPart>,
}

/// Which button holds what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(path = "twin.html")]
pub(crate) struct TwinPart {
    /// The page of the other one.
    page: String,
    /// Deliveries that this one holds.
    here: u64,
    other: Option<Other>,
}

/// What is seen of the other button.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Other {
    /// Deliveries that it holds.
    held: u64,
    /// For how long nothing was heard of it, when that is worth a word.
    quiet_seconds: Option<u64>,
}

impl Twin {
    pub(crate) fn new(client: reqwest::Client, at: TwinAt) -> Self {
        let shown = TwinPart {
            page: at.url.as_str().trim_end_matches('/').to_owned(),
            ..TwinPart::default()
        };
        Self {
            client,
            at,
            shown: Mutex::new(shown),
        }
    }

    /// Notes who is there. True when the page shows something else now.
    pub(crate) fn saw(&self, nodes: Vec<Node>) -> bool {
        let mut shown = self.shown.lock();
        let before = shown.clone();
        shown.here = 0;
        shown.other = None;
        for node in nodes {
            if node.is_this {
                shown.here = node.held;
                continue;
            }
            let quiet = SystemTime::now().duration_since(node.seen_at);
            let quiet = quiet.ok().filter(|quiet| *quiet >= WELL);
            // One that was ended may be there still while it is started again.
            let other = shown.other.get_or_insert(Other {
                held: 0,
                quiet_seconds: None,
            });
            other.held += node.held;
            other.quiet_seconds = other.quiet_seconds.max(quiet.map(|quiet| quiet.as_secs()));
        }
        *shown != before
    }

    /// Whether the other button has a delivery in hand.
    pub(crate) fn holds_something(&self) -> bool {
        let shown = self.shown.lock();
        shown.other.as_ref().is_some_and(|other| other.held > 0)
    }

    /// What the page shows of it.
    pub(crate) fn part(&self) -> TwinPart {
        self.shown.lock().clone()
    }

    /// Has it draw a number, as a press does. Returns the event's id.
    pub(crate) async fn draw(&self) -> Result<String, SwitchError> {
        let pressed = self.client.post(self.at.url.clone()).timeout(ANSWER_LIMIT);
        let answer = pressed.send().await.map_err(|error| refused(&error))?;
        let place = answer.headers().get(header::LOCATION);
        let place = place.and_then(|place| self.at.url.join(place.to_str().ok()?).ok());
        let asked: HashMap<_, _> = place
            .as_ref()
            .map(|place| place.query_pairs().collect())
            .unwrap_or_default();
        let event = asked.get("event").map(ToString::to_string);
        event.ok_or_else(|| SwitchError::new(WHO, format!("it answered {}", answer.status())))
    }

    /// Ends it as `kill -9` would.
    pub(crate) async fn end(&self) -> Result<(), SwitchError> {
        let end = self
            .at
            .url
            .join(END)
            .map_err(|error| SwitchError::new(WHO, error.to_string()))?;
        let asked = self
            .client
            .post(end)
            .header(SECRET, &self.at.secret)
            .timeout(ANSWER_LIMIT);
        let answer = asked.send().await.map_err(|error| refused(&error))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let reason = format!("it answered {}", answer.status());
        Err(SwitchError::new(WHO, reason))
    }

    /// Ends this process in a moment when `headers` have the secret.
    pub(crate) fn is_ended(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(SECRET).map(|secret| secret.as_bytes());
        if given != Some(self.at.secret.as_bytes()) {
            return false;
        }
        tracing::warn!("the other button ends this one, on purpose: it stops in the middle");
        std::thread::spawn(|| {
            std::thread::sleep(END_PAUSE);
            // Nothing is put away: that is what the demo is about. The code is that of `kill -9`.
            std::process::exit(137);
        });
        true
    }
}

fn refused(error: &reqwest::Error) -> SwitchError {
    let reason = if error.is_connect() {
        "it does not answer; the demo starts it again in a moment".to_owned()
    } else if error.is_timeout() {
        "it took too long to answer".to_owned()
    } else {
        error.to_string()
    };
    SwitchError::new(WHO, reason)
}

impl TwinPart {
    fn lease(&self) -> u64 {
        LEASE_SECONDS
    }
}
