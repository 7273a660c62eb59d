//! The deliveries that memory holds, for all endpoints together: limited by their bytes, and counted, so that
//! those who wait for everything to be done know when it is.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The maximum number of bytes of event bodies that wait in memory, for all endpoints together; the rest waits in
/// the store.
const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much memory holds.
#[derive(Default)]
pub(crate) struct Memory {
    /// The bytes of event bodies that wait.
    bytes: AtomicUsize,
    /// Deliveries from the hand-over to the commit of their completion.
    held: AtomicUsize,
    /// Signalled when `held` falls, or when what is held begins to wait for the clock.
    pub(crate) idle: Notify,
}

impl Memory {
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= MEMORY_BYTES_MAX
    }

    pub(super) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn remove_bytes(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn hold(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn released(&self, count: usize) {
        if count > 0 {
            self.held.fetch_sub(count, Ordering::AcqRel);
            self.idle.notify_waiters();
        }
    }

    /// Deliveries that memory holds.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }
}
