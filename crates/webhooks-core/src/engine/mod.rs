//! The engine: what is shared between the writer thread, the workers and the due loop.
//!
//! A delivery's way: the writer stores it and hands it over ([`Outbox::accept`]); a worker makes
//! the attempt and queues a completion; the writer stores that. Only retries and lanes come
//! through the due loop. No lock is held across an await.

pub(crate) mod due;
pub(crate) mod hand;
pub(crate) mod judgement;
pub(crate) mod keep_places;
pub(crate) mod test_attempt;
pub(crate) mod watch_clock;
pub(crate) mod worker;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore, broadcast},
};
use tokio_util::task::TaskTracker;

use crate::{
    activity::{ACTIVITY_BUFFER, Activity},
    clock::Timeline,
    model::uptime::Uptime,
    places::Places,
    sender::Sender,
    store::{queue::WriterQueue, sqlite::retention::Retention},
};

/// Bytes of event bodies that wait in memory, all endpoints together; more waits in the store.
pub(crate) const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the parts of the engine share.
pub(crate) struct Shared {
    pub(crate) queue: WriterQueue,
    pub(crate) timeline: Timeline,
    pub(crate) sender: Sender,
    pub(crate) places: Arc<Places>,
    pub(crate) tests: Semaphore,
    pub(crate) tasks: TaskTracker,
    pub(crate) health: HealthPolicy,
    pub(crate) retention: Retention,
    activities: broadcast::Sender<Activity>,
    runtime: Handle,
    /// Bytes of event bodies that wait in memory.
    bytes: AtomicUsize,
    /// Deliveries that memory holds: from the hand-over to the commit of their completion.
    held: AtomicUsize,
    /// Signalled when `held` falls.
    pub(crate) idle: Notify,
    /// When the due loop must look next.
    due_at: AtomicI64,
    pub(crate) due_sooner: Notify,
    stopping: AtomicBool,
    pub(crate) stopped: Notify,
}

/// When something that only fails is given up.
#[derive(Debug)]
pub(crate) struct HealthPolicy {
    /// An endpoint that fails without a success for so long is disabled, in milliseconds; `None`:
    /// never.
    pub(crate) disable_after_ms: Option<i64>,
    /// Only time in which the engine could try is counted.
    pub(crate) uptime: Uptime,
}

impl Shared {
    pub(crate) fn new(
        timeline: Timeline,
        sender: Sender,
        health: HealthPolicy,
        retention: Retention,
    ) -> Self {
        let places = Arc::new(Places::new(sender.connections_max()));
        Self {
            queue: WriterQueue::new(),
            timeline,
            sender,
            places,
            tests: Semaphore::new(test_attempt::TESTS_MAX),
            tasks: TaskTracker::new(),
            health,
            retention,
            activities: broadcast::channel(ACTIVITY_BUFFER).0,
            runtime: Handle::current(),
            bytes: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            idle: Notify::new(),
            due_at: AtomicI64::new(0),
            due_sooner: Notify::new(),
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
        }
    }

    /// Spawns a task that `shutdown` waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Activity> {
        self.activities.subscribe()
    }

    /// Whether anyone would read an activity: making one costs allocations.
    pub(crate) fn has_readers(&self) -> bool {
        self.activities.receiver_count() > 0
    }

    pub(crate) fn tell(&self, activity: Activity) {
        // No reader any more is fine.
        let _ = self.activities.send(activity);
    }

    pub(crate) fn is_memory_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= MEMORY_BYTES_MAX
    }

    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove_bytes(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn hold(&self) {
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

    /// Makes the due loop look no later than `at`.
    pub(crate) fn due_by(&self, at: i64) {
        if self.due_at.fetch_min(at, Ordering::AcqRel) > at {
            self.due_sooner.notify_one();
        }
    }

    /// How many endpoints in trouble can be tried now.
    pub(crate) fn probe_places(&self) -> usize {
        self.places.free_probes()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// No further attempt is started.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stopped.notify_waiters();
        self.due_sooner.notify_one();
        self.tasks.close();
    }
}
