//! What waits for the writer thread: one lock, taken once per batch.
//!
//! Urgent work wakes the writer at once. Completions are lazy: they ride along with the next
//! commit, or get one of their own after [`LAZY_WAIT`], so that recording an outcome does not
//! double the number of commits.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    completion::Completion,
    error::StoreError,
    sqlite::act::{Act, contain},
};
use crate::{
    event::PreparedEvent,
    send::{SendError, Sent},
};

/// How long a completion waits for a commit to ride along with.
const LAZY_WAIT: Duration = Duration::from_millis(5);
/// So many completions get a commit of their own at once.
const LAZY_BATCH: usize = 512;
/// Completions that may wait; beyond this, workers wait. Only a disk that refuses gets here.
const COMPLETIONS_MAX: usize = 16 * 1024;
/// Calls that may wait for a commit; further callers wait their turn.
pub(crate) const SENDS_MAX: usize = 4 * 1024;
/// Sends in one commit: bounds how long the first of them waits for the last.
const SENDS_BATCH: usize = 512;

#[derive(Default)]
struct Waiting {
    sends: VecDeque<SendJob>,
    acts: Vec<Act>,
    completions: Vec<Completion>,
    /// When the oldest completion came.
    lazy_since: Option<Instant>,
    closed: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.acts.is_empty() && self.completions.is_empty()
    }
}

/// Closes the queue when it is dropped, and drops what waits in it and with that the replies.
pub(crate) struct AbandonAtEnd<'a>(&'a WriterQueue);

impl Drop for AbandonAtEnd<'_> {
    fn drop(&mut self) {
        // Nothing is lost: what was not committed was not acknowledged, or stays owed.
        let closed = Waiting {
            closed: true,
            ..Waiting::default()
        };
        let waiting = std::mem::replace(&mut *self.0.lock(), closed);
        if !waiting.is_empty() {
            tracing::error!("the writer ended; calls are refused until the store is opened again");
        }
        // Without the lock: what is dropped may look at the queue, or panic.
        contain(|| drop(waiting));
    }
}

/// What the writer does next.
pub(crate) enum NextWork {
    /// One commit.
    Write(Batch),
    /// Nothing has come for as long as was asked for.
    Idle,
    /// The queue is closed and empty.
    End,
}

/// What one commit takes.
pub(crate) struct Batch {
    pub(crate) sends: Vec<SendJob>,
    pub(crate) acts: Vec<Act>,
    pub(crate) completions: Vec<Completion>,
}

/// A place among the calls that wait for a commit. It is kept with the reply, not by the caller:
/// what a caller that gave up has queued still takes memory.
pub(crate) type Place = OwnedSemaphorePermit;

/// Events of one caller, and where the answer goes.
pub(crate) struct SendJob {
    pub(crate) customer: String,
    pub(crate) events: Vec<PreparedEvent>,
    pub(crate) reply: SendReply,
}

/// Where the answer goes.
pub(crate) struct SendReply {
    pub(crate) answer: oneshot::Sender<Result<Vec<Sent>, SendError>>,
    pub(crate) place: Place,
}

impl SendReply {
    /// Gives the answer, and then the caller's place to another.
    pub(crate) fn give(self, result: Result<Vec<Sent>, SendError>) {
        // A caller that went away has its event stored all the same.
        let _ = self.answer.send(result);
        drop(self.place);
    }
}

/// The queue before the writer thread.
pub(crate) struct WriterQueue {
    waiting: Mutex<Waiting>,
    work: Condvar,
    places: Arc<Semaphore>,
    room: Notify,
}

impl WriterQueue {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            work: Condvar::new(),
            places: Arc::new(Semaphore::new(SENDS_MAX)),
            room: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place among the calls that wait for a commit.
    pub(crate) async fn place(&self) -> Result<Place, StoreError> {
        let places = Arc::clone(&self.places);
        places.acquire_owned().await.map_err(|_| StoreError::Closed)
    }

    /// False when the writer has stopped: the job is dropped, and with it its reply.
    pub(crate) fn send(&self, job: SendJob) -> bool {
        let mut waiting = self.lock();
        if waiting.closed {
            return false;
        }
        waiting.sends.push_back(job);
        self.work.notify_one();
        true
    }

    /// False when the writer has stopped.
    pub(crate) fn act(&self, act: Act) -> bool {
        let mut waiting = self.lock();
        if waiting.closed {
            return false;
        }
        waiting.acts.push(act);
        self.work.notify_one();
        true
    }

    /// Queues a completion; waits only while [`COMPLETIONS_MAX`] are waiting already.
    pub(crate) async fn complete(&self, completion: Completion) {
        let mut completion = Some(completion);
        loop {
            let room = self.room.notified();
            {
                let mut waiting = self.lock();
                if waiting.completions.len() < COMPLETIONS_MAX {
                    if let Some(completion) = completion.take() {
                        waiting.completions.push(completion);
                    }
                    if waiting.lazy_since.is_none() {
                        waiting.lazy_since = Some(Instant::now());
                        self.work.notify_one();
                    } else if waiting.completions.len() == LAZY_BATCH {
                        self.work.notify_one();
                    }
                    return;
                }
            }
            room.await;
        }
    }

    /// Queues a completion without waiting: what is given back, bounded by what was in memory.
    pub(crate) fn complete_now(&self, completion: Completion) {
        let mut waiting = self.lock();
        waiting.completions.push(completion);
        if waiting.lazy_since.is_none() {
            waiting.lazy_since = Some(Instant::now());
            self.work.notify_one();
        }
    }

    /// Puts back what could not be committed.
    pub(crate) fn put_back(&self, mut completions: Vec<Completion>) {
        if completions.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        if waiting.closed {
            // The engine is stopping and cannot wait for space: these deliveries stay owed.
            tracing::warn!(
                outcomes = completions.len(),
                "outcomes of attempts could not be stored; the next start makes the attempts again"
            );
            return;
        }
        completions.append(&mut waiting.completions);
        waiting.completions = completions;
        waiting.lazy_since = Some(Instant::now());
    }

    /// Waits for work, for no longer than `idle_wait` when that is set.
    pub(crate) fn next(&self, idle_wait: Option<Duration>) -> NextWork {
        let idle_at = idle_wait.map(|wait| Instant::now() + wait);
        let mut waiting = self.lock();
        loop {
            let urgent = !waiting.sends.is_empty() || !waiting.acts.is_empty() || waiting.closed;
            let lazy_wait = waiting
                .lazy_since
                .map(|since| LAZY_WAIT.saturating_sub(since.elapsed()));
            if urgent
                || waiting.completions.len() >= LAZY_BATCH
                || lazy_wait == Some(Duration::ZERO)
            {
                break;
            }
            let idle_wait = idle_at.map(|at| at.saturating_duration_since(Instant::now()));
            if lazy_wait.is_none() && idle_wait == Some(Duration::ZERO) {
                return NextWork::Idle;
            }
            waiting = match lazy_wait.or(idle_wait) {
                Some(wait) => {
                    self.work
                        .wait_timeout(waiting, wait)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .work
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
        let count = waiting.sends.len().min(SENDS_BATCH);
        let batch = Batch {
            sends: waiting.sends.drain(..count).collect(),
            acts: std::mem::take(&mut waiting.acts),
            completions: std::mem::take(&mut waiting.completions),
        };
        waiting.lazy_since = None;
        drop(waiting);
        self.room.notify_waiters();
        let empty = batch.sends.is_empty() && batch.acts.is_empty() && batch.completions.is_empty();
        if empty {
            NextWork::End
        } else {
            NextWork::Write(batch)
        }
    }

    /// For the writer's thread to hold: however it ends, no call is left without an answer.
    pub(crate) fn abandon_at_end(&self) -> AbandonAtEnd<'_> {
        AbandonAtEnd(self)
    }

    /// Refuses further sends and acts; what waits is still written.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }
}
