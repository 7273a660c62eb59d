//! What follows when a batch is not stored: its callers get the error, and memory is corrected.

use std::time::Duration;

use super::{session::Session, writer::State};
use crate::store::{
    commit::CommitMark,
    committed::{Answers, Committed},
    error::StoreError,
};

/// The wait after a transaction that failed: the next would probably fail for the same reason.
const FAILURE_PAUSE: Duration = Duration::from_millis(20);

impl State {
    /// Nothing of the transaction is stored: the callers get the error, and memory is corrected.
    pub(super) async fn failed(
        &mut self,
        held: Option<Session>,
        error: StoreError,
        answers: Answers,
    ) -> Committed {
        self.endpoints.changed.clear();
        self.lane_floors.clear();
        self.sweep.rolled_back();
        self.refusals.note(&error, self.host.timeline.now());
        let mut rolled_back = None;
        // A connection to a server that became a replica stays there; a new one leads to the new primary.
        let held = held.filter(|_| !matches!(error, StoreError::ReadOnly));
        if let Some(mut connection) = held {
            match connection.execute("rollback").await {
                Ok(()) => rolled_back = Some(connection),
                Err(error) => tracing::debug!(%error, "a connection was lost"),
            }
        }
        self.endpoints_rolled_back(&mut rolled_back).await;
        self.connection = rolled_back;
        self.endpoints.cache.committed();
        self.commit.roll_back_to(CommitMark::default());
        let refused_refills = answers.give(&Err(error));
        // After the answers: a load that was refused among them is not requested again at once.
        for outbox in std::mem::take(&mut self.commit.touched) {
            self.commit.follow(&outbox, outbox.lane_is_uncertain());
        }
        tokio::time::sleep(FAILURE_PAUSE).await;
        Committed {
            refused_refills,
            ..self.commit.take()
        }
    }

    async fn endpoints_rolled_back(&mut self, connection: &mut Option<Session>) {
        match connection {
            Some(connection) => self.tx(connection).rolled_back().await,
            None => {
                for key in self.endpoints.cache.rolled_back() {
                    self.endpoints.cache.read_later(key);
                }
                self.endpoints.cache.retain_removed(|_| false);
            }
        }
    }
}
