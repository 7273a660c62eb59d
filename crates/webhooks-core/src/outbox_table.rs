//! Events by way of the outbox table: what any driver, trigger or language puts there in its own
//! transaction.

use std::{sync::Arc, time::Duration};

use crate::{
    engine::Shared,
    model::outbox_rows::RefusedRow,
    store::{ask::Ask, error::StoreError},
    webhooks::Webhooks,
};

impl Webhooks {
    /// Takes what is committed in the outbox table, at once, and returns how many rows became
    /// events. Without it they are taken within a tenth of a second; in Postgres within a second, or
    /// at once after a notification (see [the guide](crate::guide)).
    ///
    /// When it returns, each row that was committed before the call is an event, whichever engine took
    /// it, or is refused. What is sent after that comes after it, at an endpoint that is ordered; what is
    /// sent before may come before rows that were there already.
    ///
    /// The table is `webhooks_outbox (id, customer, type, data, event_id, refused)` of the same
    /// database file. Whatever can write to SQLite sends events with it, in a transaction of its
    /// own: insert `customer`, `type`, the JSON text `data`, and an `event_id` or null. Leave `id`
    /// to SQLite: rows are taken in its order, which is then the order of commits. A row that is
    /// taken is deleted in the transaction that stores its event.
    ///
    /// # Errors
    /// The store refused; what was not taken is taken later.
    pub async fn check_outbox(&self) -> Result<u64, StoreError> {
        let mut events = 0;
        loop {
            let taken = self.shared().queue.ask(Ask::TakeRows).await?;
            events += taken.events;
            if taken.waits {
                tokio::time::sleep(TAKEN_ELSEWHERE_WAIT).await;
            } else if !taken.more {
                return Ok(events);
            }
        }
    }

    /// Rows of the outbox table that could not become events, with what is wrong with each: those
    /// whose id is above `after`, in the order of ids, at most
    /// [`REFUSED_ROWS_MAX`](crate::REFUSED_ROWS_MAX).
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn refused_in_outbox(&self, after: i64) -> Result<Vec<RefusedRow>, StoreError> {
        self.engine().store.refused_rows(after).await
    }

    /// Tries a refused row of the outbox table again, once what was wrong with it is mended.
    /// False when no row of this id is refused.
    ///
    /// # Errors
    /// The store refused; the row stays as it was.
    pub async fn retry_refused(&self, id: i64) -> Result<bool, StoreError> {
        let retried = self.shared().queue.ask(|reply| Ask::RetryRow(id, reply));
        let found = retried.await?;
        self.check_outbox().await?;
        Ok(found)
    }

    /// Waits until everything that was sent has been tried once, or `within` is over, and returns
    /// how many deliveries have not been tried. What an endpoint that is paused or in trouble is
    /// owed is not waited for, and is among them.
    ///
    /// For programs that end after they have sent something: [`Webhooks::shutdown`] starts no
    /// attempt, and leaves what is owed to the next start.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn flush(&self, within: Duration) -> Result<u64, StoreError> {
        self.check_outbox().await?;
        let shared = self.shared();
        let waited = tokio::time::timeout(within, until_tried(shared)).await;
        waited.unwrap_or(Ok(()))?;
        self.engine().store.untried().await
    }
}

/// Waits until memory holds nothing, and nothing of a healthy endpoint is due.
async fn until_tried(shared: &Arc<Shared>) -> Result<(), StoreError> {
    loop {
        let idle = shared.memory.idle.notified();
        let due = shared.queue.ask(Ask::NextDueOfHealthy).await?;
        let now = shared.timeline.now();
        if due.is_some_and(|at| at <= now) {
            shared.due_by(now);
            // The due loop takes its turn.
            tokio::time::sleep(DUE_WAIT).await;
        } else if shared.memory.held() == 0 {
            return Ok(());
        } else {
            idle.await;
        }
    }
}

/// Between two tries while another engine takes rows.
const TAKEN_ELSEWHERE_WAIT: Duration = Duration::from_millis(5);

/// Between two looks at what is due but not yet in memory.
const DUE_WAIT: Duration = Duration::from_millis(5);
