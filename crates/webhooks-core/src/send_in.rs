//! Sending events in the app's own Postgres transaction.

use std::sync::{Arc, Weak};

use sqlx::PgConnection;

use crate::{
    engine::Shared,
    event::{Event, check_customer},
    send::{SendError, SendReceipt},
    store::Store,
    webhooks::Webhooks,
};

/// An event that is stored once the app's transaction is committed.
#[derive(Debug)]
pub struct SentIn {
    /// What will be stored.
    pub receipt: SendReceipt,
    engine: Weak<Shared>,
}

impl Webhooks {
    /// Stores an event and its deliveries to the customer's endpoints in the app's own transaction: together with
    /// everything else in it, or not at all. `connection` is an sqlx connection, with a transaction begun, to the
    /// database that this engine was opened on.
    ///
    /// ```no_run
    /// # use webhooks_core::{Event, Webhooks};
    /// # async fn order(pool: sqlx::PgPool, webhooks: Webhooks) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tx = pool.begin().await?;
    /// sqlx::query("insert into orders (number) values ($1)").bind(7).execute(&mut *tx).await?;
    /// let sent = webhooks.send_in(&mut tx, "acme", Event::new("order:placed", &7)).await?;
    /// tx.commit().await?;
    /// sent.deliver_now();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The customer's endpoints are read within the transaction. If it reads from a snapshot (`repeatable read`),
    /// they are those of the time when the snapshot was taken.
    ///
    /// The transaction may stay open for as long as you like: it blocks nobody, except a call that sends an event
    /// under an id that this transaction also chose ([`SendError::Busy`]). Two transactions that choose the same
    /// ids in opposite order wait for each other, and Postgres aborts one of them. On an ordered endpoint, the
    /// event goes before anything that is sent after the transaction has committed, even if the process ends right
    /// after the commit.
    ///
    /// # Errors
    /// [`SendError`] says why; after an error from Postgres itself the transaction can only be rolled back.
    pub async fn send_in(
        &self,
        connection: &mut PgConnection,
        customer: &str,
        event: Event,
    ) -> Result<SentIn, SendError> {
        check_customer(customer)?;
        let event = event.prepare()?;
        let store = &self.engine().store;
        let receipt = match &**store {
            Store::Postgres(handle) => handle.send_in(connection, customer, event).await?,
            #[cfg(feature = "sqlite")]
            Store::Sqlite(_) => return Err(SendError::NotPostgres),
        };
        Ok(SentIn {
            receipt,
            engine: Arc::downgrade(self.shared()),
        })
    }
}

impl SentIn {
    /// Delivers the event immediately; call it after the commit. If it is not called, or if this process ends
    /// first, any engine on the database finds the event within a second.
    pub fn deliver_now(&self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.due_by(engine.timeline.now());
        }
    }
}
