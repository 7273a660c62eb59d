//! When the due loop next looks for due work. Whoever makes something due says so here: the engine, and whatever
//! watches a database for it.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::{Notify, futures::Notified};

/// When the due loop next looks, in milliseconds of the timeline.
pub(crate) struct DueTime {
    at: AtomicI64,
    sooner: Notify,
}

impl Default for DueTime {
    /// Immediately.
    fn default() -> Self {
        Self {
            at: AtomicI64::new(0),
            sooner: Notify::new(),
        }
    }
}

impl DueTime {
    /// Makes it look no later than `at`.
    pub(crate) fn by(&self, at: i64) {
        if self.at.fetch_min(at, Ordering::AcqRel) > at {
            self.sooner.notify_one();
        }
    }

    /// Notes that a look begins: only times that are set from now on count.
    pub(crate) fn begin(&self) {
        self.at.store(i64::MAX, Ordering::Release);
    }

    pub(crate) fn at(&self) -> i64 {
        self.at.load(Ordering::Acquire)
    }

    /// Signalled when the time has become earlier, or the engine stops.
    pub(crate) fn sooner(&self) -> Notified<'_> {
        self.sooner.notified()
    }

    /// Wakes the due loop to check whether the engine stops.
    pub(crate) fn wake(&self) {
        self.sooner.notify_one();
    }
}
