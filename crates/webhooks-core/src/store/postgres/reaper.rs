//! Frees what dead nodes held, on a connection of its own: that can be much, and beats go on meanwhile.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::{
    bell::{Bell, Concerned},
    connection::Connector,
    node::{FREE_LIMIT, Reaped, Silent},
};
use crate::{due_time::DueTime, store::error::StoreError};

/// What frees, and who is told.
pub(super) struct Reaper {
    pub(super) connector: Connector,
    pub(super) lease: Duration,
    pub(super) due: Arc<DueTime>,
    pub(super) bell: Arc<Bell>,
}

/// A death that may be under way.
#[derive(Default)]
pub(super) struct Reaping {
    running: Option<JoinHandle<()>>,
}

impl Reaping {
    /// Begins at `now`, unless one is under way: what that one leaves is found with a later beat.
    pub(super) fn begin(&mut self, reaper: Reaper, silent: Vec<Silent>, now: i64) {
        let running = self.running.as_ref();
        if running.is_some_and(|running| !running.is_finished()) {
            return;
        }
        self.running = Some(tokio::spawn(async move {
            if let Err(error) = reaper.reap(&silent, now).await {
                // Some of it is in the hands of others for a moment, or the database is away.
                tracing::warn!(%error, "what dead nodes held could not be freed; trying again");
            }
        }));
    }
}

impl Reaper {
    async fn reap(&self, silent: &[Silent], now: i64) -> Result<(), StoreError> {
        let mut connection = self.connector.connect().await?;
        connection.answers_within(FREE_LIMIT);
        loop {
            let mut reader = self.connector.begin_on(&mut connection).await?;
            reader.take_as_long_as(FREE_LIMIT).await?;
            let reaped = reader.reap((silent, self.lease), now).await?;
            connection.execute("commit").await?;
            match reaped {
                Some(reaped) => self.tell(&reaped, now),
                None => break,
            }
        }
        connection.close().await?;
        Ok(())
    }

    fn tell(&self, reaped: &Reaped, now: i64) {
        tracing::warn!(
            node = reaped.node,
            deliveries = reaped.deliveries,
            "a node was not heard of for {} s; what it held is free",
            self.lease.as_secs()
        );
        self.due.by(now);
        // It is more than one node may load at once.
        self.bell.ring(Concerned::All);
    }
}
