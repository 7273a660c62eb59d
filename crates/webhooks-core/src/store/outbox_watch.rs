//! Notices what other connections commit to the outbox table.
//!
//! SQLite has no way to be told; its `data_version` says cheaply whether another connection has
//! committed anything. Only then is the table looked at.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;

use super::{
    StoreError,
    act::Act,
    outbox_table::{self, Taken},
    schema,
};
use crate::engine::Shared;

/// Between two looks: a row is taken within twice this, and the looks of an idle engine take less
/// than a thousandth of a core.
const LOOK_WAIT: Duration = Duration::from_millis(50);
/// The wait after the store refused.
const REFUSED_WAIT: Duration = Duration::from_secs(1);

/// The thread that looks. It ends when it is stopped, or with the engine.
#[derive(Debug)]
pub(crate) struct OutboxWatch {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl OutboxWatch {
    /// Starts looking at `file`.
    pub(crate) fn start(file: PathBuf, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let stopped = Arc::<AtomicBool>::default();
        let look = Look {
            shared: Arc::downgrade(shared),
            stopped: Arc::clone(&stopped),
            seen: None,
        };
        let thread = std::thread::Builder::new()
            .name("webhooks-outbox".to_owned())
            .spawn(move || look.run(&file))?;
        Ok(Self { stopped, thread })
    }

    /// No further look is begun; the thread's connection is closed when this returns.
    pub(crate) fn stop(self) {
        self.stopped.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread that watches the outbox table had panicked");
        }
    }
}

struct Look {
    shared: Weak<Shared>,
    stopped: Arc<AtomicBool>,
    /// The `data_version` up to which everything was taken.
    seen: Option<i64>,
}

impl Look {
    fn run(mut self, file: &Path) {
        let mut connection = None;
        while !self.stopped.load(Ordering::Acquire) {
            let wait = match self.look(&mut connection, file) {
                Ok(()) => LOOK_WAIT,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the outbox table could not be looked at; trying again in a second");
                    (connection, self.seen) = (None, None);
                    REFUSED_WAIT
                }
            };
            // An unpark before this is not missed.
            std::thread::park_timeout(wait);
        }
    }

    fn look(&mut self, open: &mut Option<Connection>, file: &Path) -> Result<(), StoreError> {
        let connection = match open {
            Some(connection) => connection,
            None => open.insert(schema::open_reader(file)?),
        };
        let version: i64 = connection
            .prepare_cached("pragma data_version")?
            .query_row([], |row| row.get(0))?;
        if self.seen == Some(version) {
            return Ok(());
        }
        if outbox_table::has_rows(connection)? {
            while self.take()?.more && !self.stopped.load(Ordering::Acquire) {}
        }
        // What was committed since has another version.
        self.seen = Some(version);
        Ok(())
    }

    /// Has the writer take what waits.
    fn take(&self) -> Result<Taken, StoreError> {
        let (reply, answer) = mpsc::channel();
        let act = Act::new(outbox_table::take, move |taken| {
            let _ = reply.send(taken);
        });
        // The engine is not kept alive while this waits.
        let queued = self
            .shared
            .upgrade()
            .is_some_and(|shared| shared.queue.act(act));
        if !queued {
            return Err(StoreError::Closed);
        }
        answer.recv().unwrap_or(Err(StoreError::Closed))
    }
}
