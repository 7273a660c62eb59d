//! The app's own rows and its events in one commit.

use rusqlite::{Connection, Params, Row};

use crate::{
    event::{Event, PreparedEvent, check_customer},
    send::{SendError, SendReceipt, prepare_all},
    store::{
        Store,
        ask::Ask,
        error::StoreError,
        sqlite::{
            act::Act,
            outbox_table,
            send::{Scope, store_events},
            tx::Tx,
        },
    },
    webhooks::Webhooks,
};

/// The transaction that [`Webhooks::transaction`] gives to its closure.
///
/// The app's tables live in the same database file as the events. Tables whose names begin with `webhooks_` belong
/// to the library: they can be read, but only `webhooks_outbox` can be written to. The engine begins and ends the
/// transaction and owns the connection's settings, so statements that would change either are refused.
pub struct Transaction<'a> {
    tx: Tx<'a>,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// A transaction was rolled back: neither the app's rows nor its events were stored.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The app's own SQL failed, or was refused.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// An event was refused.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store is in Postgres.
    #[error(
        "Webhooks::transaction is for SQLite; on Postgres give your own transaction to Webhooks::send_in"
    )]
    NotSqlite,
}

crate::error_text::debug_is_display!(TransactionError);

impl Transaction<'_> {
    /// Runs one statement; returns how many rows it changed.
    ///
    /// # Errors
    /// The error from SQLite; return it to roll everything back.
    pub fn execute(&self, sql: &str, values: impl Params) -> Result<usize, TransactionError> {
        self.explained(|connection| connection.prepare_cached(sql)?.execute(values))
    }

    /// Reads one row.
    ///
    /// # Errors
    /// The error from SQLite, including `QueryReturnedNoRows`.
    pub fn query_row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, TransactionError> {
        self.explained(|connection| connection.prepare_cached(sql)?.query_row(values, read))
    }

    /// Reads every row.
    ///
    /// # Errors
    /// The error from SQLite or from `read`.
    pub fn query_rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, TransactionError> {
        self.explained(|connection| {
            connection
                .prepare_cached(sql)?
                .query_map(values, read)?
                .collect()
        })
    }

    /// The connection itself, for everything else that [`rusqlite`] can do. The same statements are refused as in
    /// [`Transaction::execute`], but with SQLite's own error message; the reason is in the log.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.tx.connection
    }

    fn explained<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, TransactionError> {
        run(self.tx.connection).map_err(|error| self.tx.guard.explained(error).into())
    }

    /// Stores an event in this transaction; it is delivered once the transaction is committed.
    ///
    /// # Errors
    /// As for [`Webhooks::send`]. Nothing of the event is then stored, even if the closure carries on.
    pub fn send(&mut self, customer: &str, event: Event) -> Result<SendReceipt, TransactionError> {
        let event = event.prepare().map_err(SendError::from)?;
        let sent = self.store(customer, vec![event])?;
        sent.into_iter()
            .next()
            .ok_or(TransactionError::Store(StoreError::Closed))
    }

    /// Stores several events in this transaction, all of them or none.
    ///
    /// # Errors
    /// As for [`Webhooks::send_all`]. None of the events is then stored, even if the closure carries on.
    pub fn send_all(
        &mut self,
        customer: &str,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Vec<SendReceipt>, TransactionError> {
        let events = prepare_all(events)?;
        self.store(customer, events)
    }

    fn store(
        &mut self,
        customer: &str,
        events: Vec<PreparedEvent>,
    ) -> Result<Vec<SendReceipt>, TransactionError> {
        check_customer(customer).map_err(SendError::from)?;
        let guard = self.tx.guard;
        // The app may carry on after an error, so an event must be stored whole or not at all.
        let sent =
            guard.engine(|| store_events(&mut self.tx, customer, events, Scope::Savepoint))?;
        Ok(sent)
    }

    /// Runs `work` within this transaction. If it returns an error, what it stored and sent is rolled back, and
    /// the transaction continues. Savepoints can be nested.
    ///
    /// # Errors
    /// The error that `work` returns, or [`TransactionError`] if the store refuses.
    pub fn savepoint<T, E: From<TransactionError>>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let Tx {
            connection, guard, ..
        } = self.tx;
        let run = |statements: &str| {
            guard
                .engine(|| connection.execute_batch(statements))
                .map_err(|error| E::from(TransactionError::Sql(error)))
        };
        let mark = self.tx.commit.mark();
        run("savepoint webhooks_app")?;
        let outcome = work(&mut Transaction { tx: self.tx.lend() });
        if connection.is_autocommit() {
            // SQLite has rolled everything back. The enclosing `Act` notices that and takes back what was sent.
            return outcome.and(Err(TransactionError::Store(StoreError::RolledBack).into()));
        }
        if outcome.is_ok() {
            run("release webhooks_app")?;
        } else {
            self.tx.roll_back_to(mark);
            run("rollback to webhooks_app; release webhooks_app")?;
            guard.engine(|| self.tx.endpoints.rolled_back(connection));
        }
        outcome
    }
}

/// How an app's transaction fails. The app's error type is created in the waiting task and not on the writer
/// thread, because creating it may panic.
enum Failed<E> {
    App(E),
    Store(StoreError),
}

impl<E> From<StoreError> for Failed<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<E: From<TransactionError>> Failed<E> {
    fn into_error(self) -> E {
        match self {
            Self::App(error) => error,
            Self::Store(error) => TransactionError::Store(error).into(),
        }
    }
}

impl Webhooks {
    /// Runs `work` in one transaction of the database: the app's own SQL and its events are stored together or not
    /// at all. Returns once they are on disk.
    ///
    /// `work` runs on the engine's writer thread, and other sends wait for it: keep it short. Its error can be any
    /// type that [`TransactionError`] converts into, such as the app's own or `anyhow::Error`; it is returned
    /// unchanged.
    ///
    /// ```no_run
    /// # use webhooks_core::{Event, Webhooks, TransactionError};
    /// # async fn draw(webhooks: Webhooks) -> Result<(), TransactionError> {
    /// webhooks
    ///     .transaction(|tx| -> Result<_, TransactionError> {
    ///         tx.execute("insert into draw (number) values (?1)", [7])?;
    ///         tx.send("acme", Event::new("random_number:generate", &7))
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error that `work` returns, or [`TransactionError`]; nothing was stored.
    pub async fn transaction<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<TransactionError> + Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        if !matches!(*self.engine().store, Store::Sqlite(_)) {
            return Err(TransactionError::NotSqlite.into());
        }
        let done = self.shared().queue.ask_in_turn(|reply| {
            Ask::Sqlite(Act::answering(reply, move |tx: &mut Tx<'_>| {
                let guard = tx.guard;
                let lent = tx.lend();
                let done = guard.app(|| work(&mut Transaction { tx: lent }));
                let done = done.map_err(Failed::App)?;
                // What the app's statements or triggers put into the outbox table is sent in the same transaction.
                if !tx.connection.is_autocommit() {
                    outbox_table::take(tx)?;
                }
                Ok(done)
            }))
        });
        done.await.map_err(Failed::into_error)
    }
}
