//! The engine: the state shared between the writer's loop, the workers and the due loop.
//!
//! The path of a delivery: the store keeps it, and `commit` hands it over to its outbox; a worker makes the
//! attempt and queues a completion, which the store writes. Only retries and lanes come through the due loop. No
//! lock is held across an await.

pub(crate) mod commit;
pub(crate) mod due;
pub(crate) mod hand;
pub(crate) mod judgement;
pub(crate) mod keep_places;
pub(crate) mod test_attempt;
pub(crate) mod watch_clock;
pub(crate) mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
};
use tokio_util::task::TaskTracker;

use crate::{
    audience::Audience,
    clock::Timeline,
    due_time::DueTime,
    model::uptime::Uptime,
    outbox::{Moment, memory::Memory},
    places::Places,
    sender::Sender,
    store::{
        ask::{Ask, LetGoOf},
        error::StoreError,
        host::{Host, Retention},
        lease::Lease,
        queue::WriterQueue,
    },
};

/// The maximum number of simultaneous tests. They have places of their own, so that tests and deliveries cannot
/// take each other's.
const TESTS_MAX: usize = 16;

/// The wait between two checks, while the engine stops, whether the requests in flight that others wait for have
/// ended.
const LET_GO_WAIT: Duration = Duration::from_millis(20);

/// What the parts of the engine share.
pub(crate) struct Shared {
    pub(crate) queue: Arc<WriterQueue>,
    pub(crate) timeline: Arc<Timeline>,
    /// No request is started unless it is valid.
    pub(crate) lease: Arc<Lease>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) audience: Audience,
    pub(crate) sender: Sender,
    pub(crate) places: Arc<Places>,
    pub(crate) tests: Semaphore,
    pub(crate) tasks: TaskTracker,
    pub(crate) health: HealthPolicy,
    runtime: Handle,
    /// When the due loop must next look.
    pub(crate) due: Arc<DueTime>,
    stopping: AtomicBool,
    pub(crate) stopped: Notify,
}

/// When an endpoint that only fails is given up.
#[derive(Debug)]
pub(crate) struct HealthPolicy {
    /// In milliseconds: an endpoint that fails for this long without a success is disabled; `None`: never.
    pub(crate) disable_after_ms: Option<i64>,
    /// Only time in which the engine was running counts.
    pub(crate) uptime: Arc<Uptime>,
}

impl Shared {
    pub(crate) fn new(
        timeline: Arc<Timeline>,
        lease: Arc<Lease>,
        sender: Sender,
        health: HealthPolicy,
    ) -> Self {
        Self {
            queue: Arc::default(),
            timeline,
            lease,
            memory: Arc::default(),
            audience: Audience::default(),
            places: Arc::new(Places::new(sender.connections_max())),
            sender,
            tests: Semaphore::new(TESTS_MAX),
            tasks: TaskTracker::new(),
            health,
            runtime: Handle::current(),
            due: Arc::default(),
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
        }
    }

    /// What a store needs from this engine.
    pub(crate) fn host(&self, retention: Retention) -> Host {
        Host {
            timeline: Arc::clone(&self.timeline),
            memory: Arc::clone(&self.memory),
            audience: self.audience.clone(),
            #[cfg(feature = "postgres")]
            due: Arc::clone(&self.due),
            uptime: Arc::clone(&self.health.uptime),
            retention,
            policy: self.sender.policy().clone(),
        }
    }

    /// Spawns a task that `shutdown` waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Makes the due loop look no later than `at`.
    pub(crate) fn due_by(&self, at: i64) {
        self.due.by(at);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            now: self.timeline.now(),
            is_stopping: self.is_stopping(),
        }
    }

    /// Hands over what waits here to other engines, once [`Shared::stop`] was called. Returns when only what is in
    /// flight is left to hand over.
    pub(crate) async fn let_go(&self) {
        let mut of = LetGoOf::All;
        loop {
            let asked: Result<bool, StoreError> =
                self.queue.ask(|reply| Ask::LetGo(of, reply)).await;
            of = LetGoOf::Memory;
            match asked {
                Ok(true) => tokio::time::sleep(LET_GO_WAIT).await,
                Ok(false) => return,
                Err(error) => {
                    tracing::debug!(%error, "deliveries that wait here become free for other engines when this one ends");
                    return;
                }
            }
        }
    }

    /// Stops starting attempts.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stopped.notify_waiters();
        self.due.wake();
        self.tasks.close();
    }
}
