//! A text as the page shows it.

use askama::Template;
use jiff::tz::TimeZone;

use crate::{
    account::Account,
    exchange::Exchange,
    message::{Direction, Message, Status},
    segments::segments,
};

/// One bubble of the conversation; open pages receive the same template live.
#[derive(Debug, Template)]
#[template(path = "bubble.html")]
pub(crate) struct Bubble {
    sid: String,
    /// `mine` for what the person wrote, `theirs` for what the program sent.
    side: &'static str,
    /// `there` once it is on the phone, `coming` before that, `lost` if it never will be.
    presence: &'static str,
    /// Who it is from or to, if that is not the account or the phone on the page.
    party: Option<String>,
    body: String,
    /// Shown instead of a body.
    blank: Option<String>,
    state: String,
    /// The class of the state's colour.
    tone: &'static str,
    size: String,
    day: String,
    time: String,
    exact: String,
    note: Option<(String, &'static str)>,
}

impl Bubble {
    pub(crate) fn of(message: &Message, account: &Account, zone: &TimeZone) -> Self {
        let at = message.created_at.to_zoned_datetime(zone.clone());
        let inbound = message.direction == Direction::Inbound;
        let (state, presence, tone) = state(message, zone);
        let encoding = segments(&message.body).0;
        Self {
            sid: message.sid.as_str().to_owned(),
            side: if inbound { "mine" } else { "theirs" },
            presence,
            party: party(message, account),
            blank: blank(message),
            body: message.body.clone(),
            state,
            tone,
            size: match message.segments {
                1 => format!("1 segment, {encoding}"),
                count => format!("{count} segments, {encoding}"),
            },
            day: at.strftime("%A, %-d %B").to_string(),
            time: at.strftime("%H:%M").to_string(),
            exact: at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            note: message
                .note
                .as_ref()
                .map(|note| (note.text.clone(), note.tone.class())),
        }
    }

    /// The day, for the line that separates days.
    pub(crate) fn day(&self) -> &str {
        &self.day
    }
}

fn party(message: &Message, account: &Account) -> Option<String> {
    if message.direction == Direction::Inbound {
        return None;
    }
    let from = message.from.as_deref().unwrap_or_default();
    let mut parts = Vec::new();
    if !from.is_empty() && from != account.from.as_str() {
        parts.push(format!("from {from}"));
    }
    if message.to != account.to.as_str() {
        parts.push(format!("to another phone, {}", message.to));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn blank(message: &Message) -> Option<String> {
    match (message.body.is_empty(), message.media) {
        (true, 0) => Some("The text was redacted.".to_owned()),
        (_, 0) => None,
        (_, 1) => Some("With one file, which this phone does not show.".to_owned()),
        (_, count) => Some(format!(
            "With {count} files, which this phone does not show."
        )),
    }
}

fn state(message: &Message, zone: &TimeZone) -> (String, &'static str, &'static str) {
    match message.status {
        Status::Delivered => ("delivered".to_owned(), "there", "ok"),
        Status::Received => ("sent".to_owned(), "there", "soft"),
        Status::Undelivered => {
            let why = message
                .error
                .map(|error| format!(", {}: {}", error.code(), error.reason()))
                .unwrap_or_default();
            (format!("undelivered{why}"), "lost", "bad")
        }
        Status::Canceled => ("canceled".to_owned(), "lost", "warn"),
        Status::Scheduled => {
            let due = message.due_at.map(|at| {
                at.to_zoned_datetime(zone.clone())
                    .strftime(" for %-d %B, %H:%M")
                    .to_string()
            });
            (
                format!("scheduled{}", due.unwrap_or_default()),
                "coming",
                "warn",
            )
        }
        status => (status.to_string(), "coming", "warn"),
    }
}

/// One line about an exchange between the program and the phone.
#[derive(Debug, Template)]
#[template(path = "exchange.html")]
pub(crate) struct ExchangeLine {
    time: String,
    exact: String,
    what: String,
    outcome: String,
    tone: &'static str,
}

impl ExchangeLine {
    pub(crate) fn of(exchange: &Exchange, zone: &TimeZone) -> Self {
        let at = exchange.at.to_zoned_datetime(zone.clone());
        Self {
            time: at.strftime("%H:%M:%S").to_string(),
            exact: at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            what: exchange.what.clone(),
            outcome: exchange.outcome.clone(),
            tone: exchange.tone.class(),
        }
    }
}
