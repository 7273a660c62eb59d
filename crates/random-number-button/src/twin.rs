//! The other button on the same database, in the demo that has two: this one can have it draw a number,
//! kill it, and see from the database which of the two holds which deliveries.
//!
//! Only a button that was configured with another can be killed, and only by a caller that knows the secret
//! that both were given.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use askama::Template;
use axum::http::{HeaderMap, header};
use parking_lot::Mutex;
use webhooks_core::Node;

use crate::{breakage::SwitchError, settings::TwinAt};

/// The path at which a button is killed.
pub(crate) const END: &str = "/twin/end";
/// The header that carries the secret.
const SECRET: &str = "x-demo-twin";
/// The other button is on this machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Leaves time for the answer to go out before the process ends.
const END_PAUSE: Duration = Duration::from_millis(50);
/// A node that was heard from within this time is alive: it reports every second.
const WELL: Duration = Duration::from_secs(3);
/// After this time without a report, it is presumed dead.
const LEASE_SECONDS: u64 = 10;
const WHO: &str = "The other button";

/// The other button.
#[derive(Debug)]
pub(crate) struct Twin {
    client: reqwest::Client,
    at: TwinAt,
    shown: Mutex<TwinPart>,
}

/// Which button holds which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(path = "twin.html")]
pub(crate) struct TwinPart {
    /// The page of the other one.
    page: String,
    /// Deliveries that this one holds.
    here: u64,
    other: Option<Other>,
}

/// What is known of the other button.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Other {
    /// Deliveries that it holds.
    held: u64,
    /// How long nothing was heard from it, if that is long enough to mention.
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

    /// Records which nodes exist. Returns true if the page now shows something different.
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
            // One that was killed may still be listed while it is started again.
            let other = shown.other.get_or_insert(Other {
                held: 0,
                quiet_seconds: None,
            });
            other.held += node.held;
            other.quiet_seconds = other.quiet_seconds.max(quiet.map(|quiet| quiet.as_secs()));
        }
        *shown != before
    }

    /// Whether the other button holds a delivery.
    pub(crate) fn holds_something(&self) -> bool {
        let shown = self.shown.lock();
        shown.other.as_ref().is_some_and(|other| other.held > 0)
    }

    /// What the page shows of it.
    pub(crate) fn part(&self) -> TwinPart {
        self.shown.lock().clone()
    }

    /// Has it draw a number, as a press does, and returns the event's id.
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

    /// Kills it as `kill -9` would.
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

    /// Ends this process in a moment if `headers` carry the secret.
    pub(crate) fn is_ended(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(SECRET).map(|secret| secret.as_bytes());
        if given != Some(self.at.secret.as_bytes()) {
            return false;
        }
        tracing::warn!(
            "the other button kills this one, on purpose: it stops in the middle of its work"
        );
        std::thread::spawn(|| {
            std::thread::sleep(END_PAUSE);
            // Nothing is cleaned up: that is the point of the demo. The exit code is that of `kill -9`.
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
