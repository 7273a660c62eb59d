//! Holding whatever writes, as a disk that hangs would.

use std::{any::Any, sync::mpsc};

use tokio::sync::oneshot;
use webhooks_core::{TransactionError, Webhooks};

use crate::world::World;

/// Ends the hold when it is dropped.
pub(crate) struct Hold(
    #[expect(dead_code, reason = "what counts is that it is there")] Box<dyn Any + Send>,
);

impl Hold {
    /// How many of the places that there are for callers of `send` it takes itself.
    pub(crate) fn places(&self) -> usize {
        1
    }
}

impl World {
    /// Queues work that holds the writer until it is dropped. The receiver hears when it runs.
    pub(crate) async fn hold_writer_in_turn(&self) -> (oneshot::Receiver<()>, Hold) {
        #[cfg(feature = "postgres")]
        if let Some((url, _)) = self.address.split_once('?') {
            return postgres::hold_in_turn(url, self.webhooks.clone()).await;
        }
        hold_sqlite_in_turn(self.webhooks.clone()).await
    }

    /// Holds the writer from when this returns, so that what is called meanwhile is one commit.
    pub(crate) async fn hold_writer(&self) -> Hold {
        let (running, hold) = self.hold_writer_in_turn().await;
        running.await.unwrap();
        hold
    }
}

async fn hold_sqlite_in_turn(webhooks: Webhooks) -> (oneshot::Receiver<()>, Hold) {
    let (release, released) = mpsc::channel::<()>();
    let (started, running) = oneshot::channel();
    tokio::spawn(async move {
        let held = webhooks.transaction(move |_| {
            let _ = started.send(());
            let _ = released.recv();
            Ok::<_, TransactionError>(())
        });
        held.await.unwrap();
    });
    tokio::task::yield_now().await;
    (running, Hold(Box::new(release)))
}

/// Every transaction of the writer begins by locking its node's row, for which it waits here.
#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::{Connection, Executor, PgConnection};
    use tokio::sync::oneshot;
    use webhooks_core::{Event, Webhooks};

    use super::Hold;

    pub(super) async fn hold_in_turn(
        url: &str,
        webhooks: Webhooks,
    ) -> (oneshot::Receiver<()>, Hold) {
        let (release, released) = oneshot::channel::<()>();
        let (started, running) = oneshot::channel();
        let mut connection = PgConnection::connect(url).await.unwrap();
        tokio::spawn(async move {
            connection.execute("begin").await.unwrap();
            let lock = "select 1 from webhooks.node for update";
            connection.execute(lock).await.unwrap();
            // Something to write: the batch that it is in waits, and what comes later is one more.
            let held = tokio::spawn(async move {
                let event = Event::new("random_number:generate", &1);
                webhooks.send("nobody", event).await
            });
            writer_waits(&mut connection).await;
            let _ = started.send(());
            let _ = released.await;
            connection.execute("rollback").await.unwrap();
            let _ = held.await;
        });
        (running, Hold(Box::new(release)))
    }

    /// In the first statement of its batch, or in that of its connection, where this batch is the first of all.
    async fn writer_waits(connection: &mut PgConnection) {
        let waits = "select count(*) from pg_stat_activity
                     where application_name = 'webhooks-core' and wait_event_type = 'Lock'
                         and datname = current_database()
                         and (query like '%for key share%' or query like '%execute webhooks_head%'
                              or query like '%set writer = writer + 1%')";
        loop {
            // Else a transaction sees others as they were at its first look.
            let forget = "select pg_stat_clear_snapshot()";
            connection.execute(forget).await.unwrap();
            let waiting = sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut *connection);
            if waiting.await.unwrap() > 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}
