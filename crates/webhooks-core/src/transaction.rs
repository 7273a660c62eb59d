//! The app's own rows and its events in one commit.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Params, Row};
use tokio::sync::oneshot;

use crate::{
    Event, SendError, Sent, Webhooks,
    engine::Shared,
    event::check_customer,
    store::{
        StoreError,
        act::{Act, ActContext},
        endpoints::EndpointCache,
        send::store_events,
        writer::Commit,
    },
};

/// The transaction that [`Webhooks::transaction`] gives to its closure.
///
/// The app's tables live in the same database file as the events. Tables that begin with
/// `webhooks_` are the library's: read them, and leave writing them to the library.
pub struct Transaction<'a> {
    connection: &'a Connection,
    shared: &'a Arc<Shared>,
    endpoints: &'a mut EndpointCache,
    commit: &'a mut Commit,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// A transaction was rolled back: neither the app's rows nor its events were stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The app's own SQL failed.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// An event was refused.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The closure decided so.
    #[error("{0}")]
    App(Box<dyn std::error::Error + Send + Sync>),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TransactionError {
    /// An error of the app's own.
    pub fn app(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::App(error.into())
    }
}

impl Transaction<'_> {
    /// Runs one statement; returns how many rows it changed.
    ///
    /// # Errors
    /// What SQLite says; return it and everything is rolled back. `begin`, `commit`, `rollback`
    /// and savepoints are refused: the engine begins and ends the transaction.
    pub fn execute(&self, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
        self.prepare(sql)?.execute(values)
    }

    /// Reads one row.
    ///
    /// # Errors
    /// What SQLite says, `QueryReturnedNoRows` among it; and as for [`Transaction::execute`].
    pub fn query_row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.prepare(sql)?.query_row(values, read)
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        if let Some(word) = control_word(sql) {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_AUTH),
                Some(format!(
                    "{word} is refused: the engine begins and ends the transaction; return an error to roll it back"
                )),
            ));
        }
        self.connection.prepare_cached(sql)
    }

    /// Stores an event in this transaction; it is delivered once the transaction is committed.
    ///
    /// # Errors
    /// As for [`Webhooks::send`]. Nothing of the event is stored then, also when the closure goes on.
    pub fn send(&mut self, customer: &str, event: Event) -> Result<Sent, SendError> {
        check_customer(customer)?;
        let event = event.prepare()?;
        // The app may go on after an error: an event is stored whole or not at all.
        let sent = store_events(
            self.connection,
            self.shared,
            self.endpoints,
            self.commit,
            customer,
            vec![event],
            true,
        )?;
        sent.into_iter()
            .next()
            .ok_or(SendError::Store(StoreError::Closed))
    }
}

/// The first word of a statement that begins or ends transactions.
fn control_word(sql: &str) -> Option<&'static str> {
    const WORDS: [&str; 7] = [
        "begin",
        "commit",
        "end",
        "rollback",
        "savepoint",
        "release",
        "attach",
    ];
    let word = first_word(sql);
    WORDS
        .into_iter()
        .find(|control| word.eq_ignore_ascii_case(control))
}

/// The first word behind white space, comments and empty statements.
fn first_word(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start_matches(|letter: char| letter.is_ascii_whitespace() || letter == ';');
        let rest = if let Some(comment) = sql.strip_prefix("--") {
            comment.split_once('\n').map(|(_, rest)| rest)
        } else if let Some(comment) = sql.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, rest)| rest)
        } else {
            let end = sql.find(|letter: char| !letter.is_ascii_alphabetic());
            return &sql[..end.unwrap_or(sql.len())];
        };
        sql = rest.unwrap_or_default();
    }
}

impl Webhooks {
    /// Runs `work` in one transaction of the database: the app's own SQL and its events are
    /// stored together or not at all. Returns once they are on disk.
    ///
    /// `work` runs on the engine's writer thread, and others' sends wait for it: keep it short,
    /// and leave `begin` and `commit` to the engine. Errors of the app's own are carried by
    /// [`TransactionError::app`]: `text.parse::<i32>().map_err(TransactionError::app)?`.
    ///
    /// ```no_run
    /// # use webhooks_core::{Event, Webhooks, TransactionError};
    /// # async fn draw(webhooks: Webhooks) -> Result<(), TransactionError> {
    /// webhooks
    ///     .transaction(|tx| {
    ///         tx.execute("insert into draw (number) values (?1)", [7])?;
    ///         Ok(tx.send("acme", Event::new("random_number:generate", &7))?)
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransactionError`]; nothing was stored.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T, TransactionError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<T, TransactionError> + Send + 'static,
    {
        let place = self.shared().queue.place().await?;
        let (reply, answer) = oneshot::channel();
        self.shared().queue.act(Act::new(
            move |context: &mut ActContext<'_>| {
                let mut transaction = Transaction {
                    connection: context.connection,
                    shared: context.shared,
                    endpoints: context.endpoints,
                    commit: context.commit,
                };
                work(&mut transaction)
            },
            move |result| {
                let _ = reply.send(result);
                drop(place);
            },
        ));
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}
