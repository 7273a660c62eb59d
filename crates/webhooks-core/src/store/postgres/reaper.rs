//! Frees what dead nodes held, on a connection of its own: that can be a lot, and heartbeats continue meanwhile.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::{
    bell::{Bell, Concerned},
    connection::Connector,
    node::{FREE_LIMIT, Reaped, Silent},
};
use crate::{due_time::DueTime, store::error::StoreError};

/// Frees what dead nodes held, and notifies the others.
pub(super) struct Reaper {
    pub(super) connector: Connector,
    pub(super) lease: Duration,
    pub(super) due: Arc<DueTime>,
    pub(super) bell: Arc<Bell>,
}

/// The work of a reaper, which may be running.
#[derive(Default)]
pub(super) struct Reaping {
    running: Option<JoinHandle<()>>,
}

impl Reaping {
    /// Starts it at `now`, unless one is running: what that one leaves is found with a later heartbeat.
    pub(super) fn begin(&mut self, reaper: Reaper, silent: Vec<Silent>, now: i64) {
        let running = self.running.as_ref();
        if running.is_some_and(|running| !running.is_finished()) {
            return;
        }
        self.running = Some(tokio::spawn(async move {
            if let Err(error) = reaper.reap(&silent, now).await {
                // Others hold some of it for a moment, or the database is unreachable.
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
        connection.close().await
    }

    fn tell(&self, reaped: &Reaped, now: i64) {
        tracing::warn!(
            node = reaped.node,
            deliveries = reaped.deliveries,
            "a node was not heard from for {} s; what it held is free",
            self.lease.as_secs()
        );
        self.due.by(now);
        // It is more than one node may load at once.
        self.bell.ring(Concerned::All);
    }
}
