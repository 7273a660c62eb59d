//! Folding (checkpointing) the write-ahead log into the database file while there is nothing else to do,
//! so that a plain copy of a quiet file is complete.

use std::time::Duration;

use rusqlite::Connection;

use crate::store::open_error::BUSY_WAIT;

/// How long nothing must have been written before the log is folded: a fold waits for the disk, and under
/// load SQLite's own checkpoints are enough.
const FOLD_WAIT: Duration = Duration::from_secs(1);

/// Whether the log may contain anything.
#[derive(Debug)]
pub(super) struct Fold {
    due: bool,
}

impl Default for Fold {
    /// The previous process may have left a log.
    fn default() -> Self {
        Self { due: true }
    }
}

impl Fold {
    pub(super) fn written(&mut self) {
        self.due = true;
    }

    /// For how long the writer waits for work; `None` means forever.
    pub(super) fn idle_wait(&self) -> Option<Duration> {
        self.due.then_some(FOLD_WAIT)
    }

    /// Folds, without waiting for readers: if there are any, it is done after the next wait.
    pub(super) fn now(&mut self, connection: &Connection) {
        let folded = connection.busy_timeout(Duration::ZERO).and_then(|()| {
            connection.query_row("pragma wal_checkpoint(truncate)", [], |row| {
                row.get::<_, bool>(0)
            })
        });
        self.due = match folded {
            Ok(busy) => busy,
            Err(error) => {
                // On a full disk, for example. It is tried again after the next write.
                tracing::warn!(%error, "the write-ahead log could not be checkpointed into the database");
                false
            }
        };
        if let Err(error) = connection.busy_timeout(BUSY_WAIT) {
            tracing::warn!(%error, "the busy timeout could not be set");
        }
    }
}
