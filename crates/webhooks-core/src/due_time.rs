//! When the due loop looks next. Whoever makes something due says so here: the engine, and what watches
//! a database for it.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::{Notify, futures::Notified};

/// When the due loop looks next, in milliseconds of the timeline.
pub(crate) struct DueTime {
    at: AtomicI64,
    sooner: Notify,
}

impl Default for DueTime {
    /// At once.
    fn default() -> Self {
        Self {
            at: AtomicI64::new(0),
            sooner: Notify::new(),
        }
    }
}

impl DueTime {
    /// No later than `at`.
    pub(crate) fn by(&self, at: i64) {
        if self.at.fetch_min(at, Ordering::AcqRel) > at {
            self.sooner.notify_one();
        }
    }

    /// A look begins: only what is said from now on counts.
    pub(crate) fn begin(&self) {
        self.at.store(i64::MAX, Ordering::Release);
    }

    pub(crate) fn at(&self) -> i64 {
        self.at.load(Ordering::Acquire)
    }

    /// The time is sooner now, or the engine stops.
    pub(crate) fn sooner(&self) -> Notified<'_> {
        self.sooner.notified()
    }

    /// Has the due loop look whether the engine stops.
    pub(crate) fn wake(&self) {
        self.sooner.notify_one();
    }
}
