//! What was started and what is done, by action and event, so that no duplicate, retry or restart
//! does something twice unawares.
//!
//! A row is written before anything outside is touched, and again afterwards. A row that says
//! "started" when an attempt begins belongs to an attempt whose end nobody saw. The rows are in the
//! engine's own file, and the event of the next action is sent in the transaction that marks this
//! one as done.

use std::time::Duration;

use jiff::Timestamp;
use webhooks_core::{
    Event, Transaction, TransactionError, Webhooks,
    rusqlite::{self, OptionalExtension, Params, params},
};

/// One action of one rule, for one event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) rule: String,
    pub(crate) step: String,
    /// The event's id in webhooks-core.
    pub(crate) event: String,
}

/// Whether an attempt may begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// No earlier attempt did it.
    Fresh,
    /// An earlier attempt may have done it.
    Again(Before),
    /// It is done, with this answer.
    Done(String),
}

/// An attempt that was started but whose end is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) started_at: Timestamp,
    /// What the action recorded when it began.
    pub(crate) mark: Option<String>,
}

/// The result of an action that is done.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Done {
    /// The answer, for people.
    pub(crate) note: String,
    /// What it fetched.
    pub(crate) added: Option<serde_json::Value>,
    /// The provider's id of what was created.
    pub(crate) reference: Option<String>,
}

/// The next action's event.
pub(crate) struct Following {
    pub(crate) customer: String,
    pub(crate) event: Event,
}

const TABLES: &str = "
    create table if not exists relay_action (
        rule text not null, step text not null, event text not null,
        state text not null, started_at text not null, mark text, note text, reference text,
        at integer not null,
        primary key (rule, step, event)
    ) without rowid;
    create index if not exists relay_action_at on relay_action (at);
    create index if not exists relay_action_reference on relay_action (reference) where reference is not null;
    create table if not exists relay_setting (name text primary key, value text not null) without rowid;
    create table if not exists relay_customer (name text primary key) without rowid;";

/// The most rows that one cleaning deletes; the next deletes more.
const PRUNED_MAX: u32 = 10_000;

/// The ledger; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(Webhooks);

impl Ledger {
    /// Creates the tables that are missing.
    pub(crate) async fn open(webhooks: &Webhooks) -> Result<Self, TransactionError> {
        let make = |tx: &mut Transaction<'_>| {
            // One by one: a batch of statements would be a transaction of its own.
            for statement in TABLES
                .split(';')
                .map(str::trim)
                .filter(|text| !text.is_empty())
            {
                tx.execute(statement, [])?;
            }
            Ok::<_, TransactionError>(())
        };
        webhooks.transaction(make).await?;
        Ok(Self(webhooks.clone()))
    }

    /// A setting that is made once and stays the same at every start.
    pub(crate) async fn setting(
        &self,
        name: &'static str,
        made: String,
    ) -> Result<String, TransactionError> {
        self.0
            .transaction(move |tx| {
                tx.execute(
                    "insert or ignore into relay_setting values (?1, ?2)",
                    params![name, made],
                )?;
                tx.query_row(
                    "select value from relay_setting where name = ?1",
                    [name],
                    |row| row.get(0),
                )
            })
            .await
    }

    /// Records which customers have endpoints; returns all that were ever recorded.
    pub(crate) async fn customers(
        &self,
        now: Vec<String>,
    ) -> Result<Vec<String>, TransactionError> {
        self.0
            .transaction(move |tx| {
                for name in now {
                    tx.execute("insert or ignore into relay_customer values (?1)", [name])?;
                }
                tx.query_rows("select name from relay_customer", [], |row| row.get(0))
            })
            .await
    }

    /// Starts an attempt. `mark` is what the action needs to know if the attempt's end is not seen.
    pub(crate) async fn start(
        &self,
        entry: &Entry,
        mark: Option<String>,
        now: Timestamp,
    ) -> Result<Start, TransactionError> {
        let entry = entry.clone();
        self.0
            .transaction(move |tx| {
                let Entry { rule, step, event } = &entry;
                let found: Option<(String, String, Option<String>, Option<String>)> = tx
                    .connection()
                    .prepare_cached(
                        "select state, started_at, mark, note from relay_action
                         where rule = ?1 and step = ?2 and event = ?3",
                    )?
                    .query_row([rule, step, event], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })
                    .optional()?;
                match found {
                    Some((state, _, _, note)) if state == "done" => {
                        return Ok(Start::Done(note.unwrap_or_default()));
                    }
                    Some((state, started_at, mark, _)) if state == "started" => {
                        let started_at = started_at.parse().map_err(damaged)?;
                        return Ok(Start::Again(Before { started_at, mark }));
                    }
                    _ => {}
                }
                tx.execute(
                    "insert or replace into relay_action (rule, step, event, state, started_at, mark, at)
                     values (?1, ?2, ?3, 'started', ?4, ?5, ?6)",
                    params![rule, step, event, now.to_string(), mark, now.as_second()],
                )?;
                Ok::<_, TransactionError>(Start::Fresh)
            })
            .await
    }

    /// An earlier attempt turned out to have done nothing: this one starts now.
    pub(crate) async fn start_over(
        &self,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<(), TransactionError> {
        let Entry { rule, step, event } = entry.clone();
        self.execute(
            "update relay_action set started_at = ?4
             where rule = ?1 and step = ?2 and event = ?3 and state = 'started'",
            [rule, step, event, now.to_string()],
        )
        .await
    }

    /// Whether an action that is done created what its provider calls `reference`.
    pub(crate) async fn made(&self, reference: &str) -> Result<bool, TransactionError> {
        let reference = reference.to_owned();
        self.0
            .transaction(move |tx| {
                tx.query_row(
                    "select exists (select 1 from relay_action where reference = ?1)",
                    [reference],
                    |row| row.get(0),
                )
            })
            .await
    }

    /// Records that an attempt ended and certainly did nothing.
    pub(crate) async fn free(&self, entry: &Entry) -> Result<(), TransactionError> {
        let Entry { rule, step, event } = entry.clone();
        self.execute(
            "update relay_action set state = 'free'
             where rule = ?1 and step = ?2 and event = ?3 and state = 'started'",
            [rule, step, event],
        )
        .await
    }

    /// Records that the action is done and sends the event that follows it, in one commit.
    pub(crate) async fn finish(
        &self,
        entry: &Entry,
        done: Done,
        following: Option<Following>,
    ) -> Result<(), TransactionError> {
        let Entry { rule, step, event } = entry.clone();
        self.0
            .transaction(move |tx| {
                tx.execute(
                    "update relay_action set state = 'done', note = ?4, reference = ?5
                     where rule = ?1 and step = ?2 and event = ?3",
                    params![rule, step, event, done.note, done.reference],
                )?;
                if let Some(Following { customer, event }) = following {
                    tx.send(&customer, event)?;
                }
                Ok(())
            })
            .await
    }

    /// Forgets that an action is done, because somebody wants it repeated. A doubt is not
    /// forgotten.
    pub(crate) async fn forget(&self, entry: &Entry) -> Result<(), TransactionError> {
        let Entry { rule, step, event } = entry.clone();
        self.execute(
            "delete from relay_action
             where rule = ?1 and step = ?2 and event = ?3 and state = 'done'",
            [rule, step, event],
        )
        .await
    }

    /// Deletes what began longer ago than `age`.
    pub(crate) async fn prune(
        &self,
        age: Duration,
        now: Timestamp,
    ) -> Result<(), TransactionError> {
        let before = now
            .as_second()
            .saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        self.execute(
            "delete from relay_action where (rule, step, event) in
             (select rule, step, event from relay_action where at < ?1 limit ?2)",
            (before, PRUNED_MAX),
        )
        .await
    }

    /// Executes one statement in a commit of its own.
    async fn execute(
        &self,
        statement: &'static str,
        params: impl Params + Send + 'static,
    ) -> Result<(), TransactionError> {
        self.0
            .transaction(move |tx| tx.execute(statement, params).map(drop))
            .await
    }
}

fn damaged(error: jiff::Error) -> TransactionError {
    rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error))
        .into()
}
