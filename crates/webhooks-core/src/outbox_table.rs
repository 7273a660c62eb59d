//! Events from the outbox table, which any driver, trigger or language can insert in its own transaction.

use std::{sync::Arc, time::Duration};

use crate::{
    engine::Shared,
    model::outbox_rows::RefusedRow,
    store::{ask::Ask, error::StoreError},
    webhooks::Webhooks,
};

impl Webhooks {
    /// Takes all committed rows of the outbox table now, and returns how many became events. Without this call
    /// they are taken within a tenth of a second; on Postgres within a second, or immediately after a notification
    /// (see [the guide](crate::guide)).
    ///
    /// When it returns, each row that was committed before the call has become an event, whichever engine took it,
    /// or was refused. On an ordered endpoint, events that are sent after this call come after those rows; events
    /// that were sent before it may come before rows that were already there.
    ///
    /// On SQLite the table is `webhooks_outbox (id, customer, type, data, event_id, refused)` in the same database
    /// file. Whatever can write to SQLite can send events this way, in a transaction of its own: insert
    /// `customer`, `type`, the JSON text `data`, and an `event_id` or null. Leave `id` to SQLite: rows are taken
    /// in its order, which is then the order of commits. A row that is taken is deleted in the transaction that
    /// stores its event.
    ///
    /// # Errors
    /// The store refused; rows that were not taken are taken later.
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

    /// The rows of the outbox table that could not become events, each with the reason: those whose id is above
    /// `after`, ordered by id, at most [`REFUSED_ROWS_MAX`](crate::REFUSED_ROWS_MAX).
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn refused_in_outbox(&self, after: i64) -> Result<Vec<RefusedRow>, StoreError> {
        self.engine().store.refused_rows(after).await
    }

    /// Tries a refused row of the outbox table again, after its problem was fixed. False if no refused row has
    /// this id.
    ///
    /// # Errors
    /// The store refused; the row stays as it was.
    pub async fn retry_refused(&self, id: i64) -> Result<bool, StoreError> {
        let retried = self.shared().queue.ask(|reply| Ask::RetryRow(id, reply));
        let found = retried.await?;
        self.check_outbox().await?;
        Ok(found)
    }

    /// Waits until everything that was sent has been tried once, or until `within` has passed, and returns how
    /// many deliveries have not been tried. Deliveries to endpoints that are paused or in trouble are not waited
    /// for, but are included in that number.
    ///
    /// For programs that end after sending something: [`Webhooks::shutdown`] starts no attempts, and leaves
    /// pending deliveries to the next start.
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

/// Waits until memory holds nothing and nothing is due for a healthy endpoint.
async fn until_tried(shared: &Arc<Shared>) -> Result<(), StoreError> {
    loop {
        let idle = shared.memory.idle.notified();
        let due = shared.queue.ask(Ask::NextDueOfHealthy).await?;
        let now = shared.timeline.now();
        if due.is_some_and(|at| at <= now) {
            shared.due_by(now);
            // Let the due loop run.
            tokio::time::sleep(DUE_WAIT).await;
        } else if shared.memory.held() == 0 {
            return Ok(());
        } else {
            idle.await;
        }
    }
}

/// The wait between two tries while another engine takes rows.
const TAKEN_ELSEWHERE_WAIT: Duration = Duration::from_millis(5);

/// The wait between two checks for what is due but not yet in memory.
const DUE_WAIT: Duration = Duration::from_millis(5);
