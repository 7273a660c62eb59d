//! One number on its way: drawn, delivered to each endpoint, texted.
//!
//! A journey holds only facts that were reported: by the engine (deliveries and attempts) and by
//! the texter (what became of the text). Turning facts into sentences is [`crate::story`]'s work.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;

use crate::sent::SentRequest;

/// What is known of one drawn number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Journey {
    /// The event's id; also what the texter knows the text by.
    pub(crate) event_id: String,
    /// The number that was drawn.
    pub(crate) number: u16,
    /// When it was drawn.
    pub(crate) drawn_at: SystemTime,
    /// One leg for each endpoint that the event goes to, the texter's first.
    pub(crate) legs: Vec<Leg>,
    /// What became of the text.
    pub(crate) text: Text,
}

/// The way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leg {
    /// What the endpoint is called.
    pub(crate) name: String,
    /// The endpoint's address, credentials hidden.
    pub(crate) url: String,
    /// Whether this endpoint is the texter; any other endpoint only listens.
    pub(crate) texter: bool,
    /// The requests made so far, oldest first.
    pub(crate) attempts: Vec<Try>,
    /// Where the delivery stands.
    pub(crate) standing: Standing,
}

/// One request that was made, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Try {
    /// Counted from 1.
    pub(crate) number: u32,
    /// When it started.
    pub(crate) at: SystemTime,
    /// The time from connecting to the end of the answer.
    pub(crate) took: Duration,
    /// The answer's status, if there was an answer.
    pub(crate) status: Option<u16>,
    /// Why it failed; `None` when it succeeded.
    pub(crate) failure: Option<String>,
    /// The reason the endpoint itself gave in a JSON answer.
    pub(crate) said: Option<String>,
    /// The request as it went out; `None` when an earlier run of the button made it.
    pub(crate) request: Option<Arc<SentRequest>>,
    /// The answer, if there was one.
    pub(crate) answer: Option<Reply>,
}

/// What an endpoint answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Its headers.
    pub(crate) headers: Vec<(String, String)>,
    /// The beginning of its body.
    pub(crate) body: String,
}

/// Where the delivery to one endpoint stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A request is in flight or about to be made.
    UnderWay,
    /// Nothing happens before this time.
    WaitsUntil(SystemTime),
    /// It waits for its endpoint, for this reason; tried again at that time, if one is set.
    Held(String, Option<SystemTime>),
    /// The endpoint accepted it.
    Delivered(SystemTime),
    /// It will never be tried again, for this reason.
    Ended(String, SystemTime),
}

/// What is known of the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// Nobody has been asked yet.
    Unknown,
    /// The texter was asked and can't be reached right now.
    OutOfReach,
    /// The endpoint that was asked is not our texter: it does not report on texts.
    NotTold,
    /// The texter stopped reporting before the text's final status; the last status, if any.
    LostSight(Option<TextStatus>),
    /// The texter's latest status.
    Told(TextStatus),
}

/// The texter's status of one text, as `GET /texts/<event id>` answers it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TextStatus {
    /// The event that the text was made for.
    pub(crate) event_id: String,
    /// Twilio's status, or the texter's own if Twilio never accepted the text.
    pub(crate) status: String,
    /// Twilio's error code.
    #[serde(default)]
    pub(crate) error_code: Option<i64>,
    /// The reason in words.
    #[serde(default)]
    pub(crate) error_message: Option<String>,
}

/// The stages of a text that the page distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The texter has the number and has not heard from Twilio.
    Handing,
    /// Twilio accepted the text.
    Accepted,
    /// The carrier has the text.
    Sent,
    /// The text reached the phone.
    Delivered,
    /// Twilio accepted the text, but it did not reach the phone.
    Undelivered,
    /// No text was made, and none will be.
    Refused,
    /// The request went out and no answer came: a text may or may not exist.
    Unclear,
}

impl Stage {
    /// Whether it is known that there is a text, or that there will be none.
    pub(crate) fn is_known(self) -> bool {
        !matches!(self, Self::Handing | Self::Unclear)
    }
}

impl TextStatus {
    /// The stage that the status stands for; an unknown status claims nothing.
    pub(crate) fn stage(&self) -> Stage {
        match self.status.as_str() {
            "accepted" | "scheduled" | "queued" | "sending" => Stage::Accepted,
            "sent" => Stage::Sent,
            "delivered" | "received" | "read" | "partially_delivered" => Stage::Delivered,
            "undelivered" | "failed" | "canceled" => Stage::Undelivered,
            "refused" => Stage::Refused,
            "unknown" => Stage::Unclear,
            _ => Stage::Handing,
        }
    }

    /// Whether no further status will come.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.stage(),
            Stage::Delivered | Stage::Undelivered | Stage::Refused
        )
    }

    /// The reason and Twilio's code, if there is either.
    pub(crate) fn reason(&self) -> Option<String> {
        match (&self.error_message, self.error_code) {
            (Some(message), Some(code)) => Some(format!(
                "{} (Twilio's error {code})",
                message.trim_end_matches('.')
            )),
            (Some(message), None) => Some(message.trim_end_matches('.').to_owned()),
            (None, Some(code)) => Some(format!("Twilio's error {code}")),
            (None, None) => None,
        }
    }
}

impl Journey {
    /// A number that was just drawn.
    pub(crate) fn new(event_id: String, number: u16, drawn_at: SystemTime) -> Self {
        Self {
            event_id,
            number,
            drawn_at,
            legs: Vec::new(),
            text: Text::Unknown,
        }
    }

    /// The way to the texter, when the event goes to one.
    pub(crate) fn texter_leg(&self) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.texter)
    }

    /// Whether asking is worthwhile: the texter has received the number, and the text's final status
    /// is not known. A texter that answered 503 has received it too, and knows whether Twilio may
    /// have a text.
    pub(crate) fn wants_following(&self) -> bool {
        let heard = self
            .texter_leg()
            .and_then(Leg::last_try)
            .is_some_and(|last| last.status.is_some());
        heard
            && match &self.text {
                Text::Unknown | Text::OutOfReach | Text::LostSight(_) => true,
                Text::NotTold => false,
                Text::Told(status) => !status.is_final(),
            }
    }

    /// Whether the texter accepted the number.
    pub(crate) fn is_taken(&self) -> bool {
        self.texter_leg()
            .is_some_and(|leg| matches!(leg.standing, Standing::Delivered(_)))
    }

    /// Whether a delivery is still pending.
    pub(crate) fn is_owed(&self) -> bool {
        self.legs.is_empty()
            || self
                .legs
                .iter()
                .any(|leg| !matches!(leg.standing, Standing::Delivered(_) | Standing::Ended(..)))
    }
}

impl Leg {
    /// The last request that was made.
    pub(crate) fn last_try(&self) -> Option<&Try> {
        self.attempts.last()
    }

    /// Why the texter accepted the number but sent no text, as its 202 says.
    pub(crate) fn refusal(&self) -> Option<&str> {
        let last = self.last_try()?;
        match (&self.standing, last.status) {
            (Standing::Delivered(_), Some(202)) => last.said.as_deref(),
            _ => None,
        }
    }
}
