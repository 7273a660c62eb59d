//! What can be done with an event. Each kind of action reads its keys from the file, prepares what
//! it would send from an event's values, and performs that; preparing has no outside effect.

mod attempt;
mod body;
mod call;
mod chat;
mod database;
mod email;
mod fetch;
mod file;
mod keys;
mod ntfy;
mod request;
mod text;

use std::{collections::BTreeSet, fmt, num::NonZeroU32};

use minijinja::Value;

use webhooks_core::AddressPolicy;

use crate::{ledger::Ledger, reading::Section, template::RenderError};

pub(crate) use self::attempt::{Attempt, Outcome};
use self::{
    call::Call,
    chat::Chat,
    database::{Database, Row},
    email::{Email, Mail, Smtp},
    fetch::{Fetch, Get, Guarded},
    file::{File, Line},
    keys::Keys,
    ntfy::Ntfy,
    request::Post,
    text::{Text as Sms, Twilio},
};

/// The kinds of action, by their names in the file.
pub(crate) const KINDS: [&str; 10] = [
    "slack",
    "mattermost",
    "discord",
    "email",
    "ntfy",
    "text",
    "database",
    "file",
    "fetch",
    "call",
];

/// One action of a rule.
#[derive(Debug)]
pub(crate) enum Action {
    Chat(Chat),
    Email(Email),
    Ntfy(Ntfy),
    Text(Sms),
    Database(Database),
    File(File),
    Fetch(Fetch),
    Call(Call),
}

/// Accounts that several actions share.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    smtp: Option<Smtp>,
    twilio: Option<Twilio>,
}

impl Accounts {
    pub(crate) fn read(root: &Section<'_>) -> Self {
        Self {
            smtp: root.section("smtp").and_then(Smtp::read),
            twilio: root.section("twilio").and_then(Twilio::read),
        }
    }
}

/// What actions need besides their settings.
#[derive(Debug)]
pub(crate) struct Peers {
    http: reqwest::Client,
    /// For URLs that contain values of an event.
    guarded: Guarded,
    ledger: Ledger,
}

impl Peers {
    /// Makes the clients; nothing is sent yet.
    pub(crate) fn new(policy: AddressPolicy, ledger: Ledger) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: request::client()?,
            guarded: Guarded::new(policy)?,
            ledger,
        })
    }
}

/// What would be sent, made from an event's values.
#[derive(Debug)]
pub(crate) enum Prepared {
    Post(Post),
    Mail(Mail),
    Text(String),
    Row(Row),
    Line(Line),
    Get(Get),
}

impl Action {
    /// Reads an action of `kind`; `None` after recording a fault, and for an unknown kind.
    pub(crate) fn read(
        kind: &str,
        section: &Section<'_>,
        accounts: &Accounts,
        known: &BTreeSet<String>,
    ) -> Option<Self> {
        let keys = Keys { section, known };
        Some(match kind {
            "slack" | "mattermost" | "discord" => Self::Chat(Chat::read(kind, &keys)?),
            "email" => Self::Email(Email::read(&keys, accounts.smtp.as_ref())?),
            "ntfy" => Self::Ntfy(Ntfy::read(&keys)?),
            "text" => Self::Text(Sms::read(&keys, accounts.twilio.as_ref())?),
            "database" => Self::Database(Database::read(&keys)?),
            "file" => Self::File(File::read(&keys)?),
            "fetch" => Self::Fetch(Fetch::read(&keys)?),
            "call" => Self::Call(Call::read(&keys)?),
            _ => return None,
        })
    }

    /// The name under which later actions find what this one fetched.
    pub(crate) fn adds(&self) -> Option<&str> {
        match self {
            Self::Fetch(fetch) => Some(fetch.name()),
            _ => None,
        }
    }

    /// How many per second the provider accepts, when nothing is set.
    pub(crate) fn per_second(&self) -> Option<NonZeroU32> {
        match self {
            Self::Chat(_) => Some(NonZeroU32::MIN),
            _ => None,
        }
    }

    /// What to record before an attempt, so that the next one can tell whether it was done.
    pub(crate) fn mark(&self) -> Option<String> {
        match self {
            Self::File(file) => Some(file.mark()),
            _ => None,
        }
    }

    /// Prepares what is to be sent.
    ///
    /// # Errors
    /// The event lacks what a template needs, or the result is not valid.
    pub(crate) fn prepare(
        &self,
        values: &Value,
        attempt: &Attempt,
    ) -> Result<Prepared, RenderError> {
        Ok(match self {
            Self::Chat(chat) => Prepared::Post(chat.prepare(values, attempt)?),
            Self::Email(email) => Prepared::Mail(email.prepare(values, attempt)?),
            Self::Ntfy(ntfy) => Prepared::Post(ntfy.prepare(values, attempt)?),
            Self::Text(text) => Prepared::Text(text.prepare(values)?),
            Self::Database(database) => Prepared::Row(database.prepare(values)?),
            Self::File(file) => Prepared::Line(file.prepare(values)?),
            Self::Fetch(fetch) => Prepared::Get(fetch.prepare(values)?),
            Self::Call(call) => Prepared::Post(call.prepare(values, attempt)?),
        })
    }
}

impl fmt::Display for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post(post) => post.fmt(f),
            Self::Mail(mail) => mail.fmt(f),
            Self::Text(text) => write!(f, "text\n{text}"),
            Self::Row(row) => row.fmt(f),
            Self::Line(line) => line.fmt(f),
            Self::Get(get) => get.fmt(f),
        }
    }
}

impl Action {
    /// Performs what was prepared.
    pub(crate) async fn perform(
        &self,
        prepared: Prepared,
        attempt: &Attempt,
        peers: &Peers,
    ) -> Outcome {
        match (self, prepared) {
            (_, Prepared::Post(post)) => post.perform(&peers.http).await,
            (Self::Email(email), Prepared::Mail(mail)) => email.perform(mail).await,
            (Self::Text(text), Prepared::Text(body)) => {
                text.perform(&body, attempt, &peers.ledger).await
            }
            (Self::Database(database), Prepared::Row(row)) => database.perform(row).await,
            (Self::File(file), Prepared::Line(line)) => file.perform(line, attempt).await,
            (Self::Fetch(fetch), Prepared::Get(get)) => {
                fetch.perform(get, attempt, &peers.guarded).await
            }
            (_, prepared) => Outcome::Refused {
                reason: format!("another action prepared this: {prepared}"),
            },
        }
    }
}
