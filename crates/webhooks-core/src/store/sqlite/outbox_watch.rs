//! Notices what other connections commit to the outbox table.
//!
//! SQLite does not notify other connections. But every commit writes the write-ahead log: while that
//! file is unchanged, nothing happened. If it changed, `data_version` says whether another connection
//! has committed anything, and only then is the table read.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use rusqlite::Connection;

use super::{error::store_error, outbox_table, schema, statement::Statements};
use crate::{
    model::outbox_rows::TakenRows,
    store::{ask::Ask, error::StoreError, queue::WriterQueue, reply::Reply},
};

/// The interval of polling: a row is taken within twice this, and the polling of an idle engine takes
/// less than a thousandth of a core.
const LOOK_WAIT: Duration = Duration::from_millis(50);
/// A file that was written this shortly before a check may be written again under the same timestamp:
/// file systems take it from the kernel's tick, of 10 ms at most.
const SETTLED_AFTER: Duration = Duration::from_millis(20);
/// The wait after the store refused.
const REFUSED_WAIT: Duration = Duration::from_secs(1);

/// The thread that polls. It ends when it is stopped.
#[derive(Debug)]
pub(crate) struct OutboxWatch {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl OutboxWatch {
    /// Starts watching `file`.
    pub(crate) fn start(file: PathBuf, queue: Arc<WriterQueue>) -> std::io::Result<Self> {
        let stopped = Arc::<AtomicBool>::default();
        let look = Look {
            queue,
            stopped: Arc::clone(&stopped),
            seen: None,
            log: log_of(&file),
            settled: None,
        };
        let thread = std::thread::Builder::new()
            .name("webhooks-outbox".to_owned())
            .spawn(move || look.run(&file))?;
        Ok(Self { stopped, thread })
    }

    /// Stops polling; the thread's connection is closed when this returns.
    pub(crate) fn stop(self) {
        self.stopped.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread that watches the outbox table panicked");
        }
    }
}

/// The file of the write-ahead log, next to the database itself and not next to a link to it.
fn log_of(file: &Path) -> PathBuf {
    let mut log = std::fs::canonicalize(file)
        .unwrap_or_else(|_| file.to_owned())
        .into_os_string();
    log.push("-wal");
    log.into()
}

/// When the write-ahead log was last written, and its size.
type LogState = (SystemTime, u64);

struct Look {
    queue: Arc<WriterQueue>,
    stopped: Arc<AtomicBool>,
    /// The `data_version` up to which everything was taken.
    seen: Option<i64>,
    log: PathBuf,
    /// The log as it was when everything was taken; `None` if it was being written then.
    settled: Option<LogState>,
}

impl Look {
    fn run(mut self, file: &Path) {
        let mut connection = None;
        while !self.stopped.load(Ordering::Acquire) {
            let wait = match self.look(&mut connection, file) {
                Ok(()) => LOOK_WAIT,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the outbox table could not be read; trying again in a second");
                    (connection, self.seen, self.settled) = (None, None, None);
                    REFUSED_WAIT
                }
            };
            // An unpark before this is not lost.
            std::thread::park_timeout(wait);
        }
    }

    /// The log, if any; and whether a later write to it will have another timestamp.
    fn log_state(&self) -> Option<(LogState, bool)> {
        let metadata = std::fs::metadata(&self.log).ok()?;
        let written = metadata.modified().ok()?;
        let is_settled = SystemTime::now()
            .duration_since(written)
            .is_ok_and(|since| since >= SETTLED_AFTER);
        Some(((written, metadata.len()), is_settled))
    }

    fn look(&mut self, open: &mut Option<Connection>, file: &Path) -> Result<(), StoreError> {
        // Before reading the database: what is committed meanwhile changes the log once more.
        let log = self.log_state();
        if self.settled.is_some() && self.settled == log.map(|(state, _)| state) {
            return Ok(());
        }
        self.look_at_database(open, file)?;
        self.settled = log.and_then(|(state, is_settled)| is_settled.then_some(state));
        Ok(())
    }

    fn look_at_database(
        &mut self,
        open: &mut Option<Connection>,
        file: &Path,
    ) -> Result<(), StoreError> {
        let connection = match open {
            Some(connection) => connection,
            None => open.insert(schema::open_reader(file).map_err(store_error)?),
        };
        let version: i64 = connection.read_row("pragma data_version", [], |row| row.get(0))?;
        if self.seen == Some(version) {
            return Ok(());
        }
        if outbox_table::has_rows(connection)? {
            while self.take()?.more && !self.stopped.load(Ordering::Acquire) {}
        }
        // Anything committed since has another version.
        self.seen = Some(version);
        Ok(())
    }

    /// Makes the writer take the waiting rows.
    fn take(&self) -> Result<TakenRows, StoreError> {
        let (reply, answer) = Reply::new(None);
        self.queue.push(Ask::TakeRows(reply));
        answer.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}
