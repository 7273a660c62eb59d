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
            match reaper.reap(&silent, now).await {
                Ok(reaped) => reaper.tell(&reaped, now),
                // Some of it is in the hands of others for a moment, or the database is away.
                Err(error) => {
                    tracing::warn!(%error, "what dead nodes held could not be freed; trying again");
                }
            }
        }));
    }
}

impl Reaper {
    async fn reap(&self, silent: &[Silent], now: i64) -> Result<Reaped, StoreError> {
        let mut connection = self.connector.connect().await?;
        connection.answers_within(FREE_LIMIT);
        let mut reader = self.connector.begin_on(&mut connection).await?;
        reader.take_as_long_as(FREE_LIMIT).await?;
        let reaped = reader.reap((silent, self.lease), now).await?;
        connection.execute("commit").await?;
        connection.close().await?;
        Ok(reaped)
    }

    fn tell(&self, reaped: &Reaped, now: i64) {
        if reaped.nodes.is_empty() {
            return;
        }
        tracing::warn!(
            nodes = ?reaped.nodes,
            deliveries = reaped.deliveries,
            "nodes were not heard of for {} s; what they held is free",
            self.lease.as_secs()
        );
        self.due.by(now);
        // It is more than one node may load at once.
        self.bell.ring(Concerned::All);
    }
}
