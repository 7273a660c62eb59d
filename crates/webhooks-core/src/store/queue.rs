//! What waits for the writer: one lock, taken once per batch.
//!
//! Urgent work wakes the writer at once. Completions are lazy: they ride along with the next
//! commit, or get one of their own after [`LAZY_WAIT`], so that recording an outcome does not
//! double the number of commits.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, Semaphore};

use super::{
    ask::Ask,
    committed::contain,
    completion::Completion,
    error::StoreError,
    reply::{Place, Reply},
};
use crate::{
    event::PreparedEvent,
    send::{SendError, SendReceipt},
};

/// How long a completion waits for a commit to ride along with.
const LAZY_WAIT: Duration = Duration::from_millis(5);
/// This many completions get a commit of their own at once.
const LAZY_BATCH: usize = 512;
/// Completions that may wait; beyond this, workers wait. Only a disk that refuses writes gets here.
const COMPLETIONS_MAX: usize = 16 * 1024;
/// Calls that may wait for a commit; further callers wait their turn.
pub(crate) const SENDS_MAX: usize = 4 * 1024;
/// Sends in one commit: bounds how long the first of them waits for the last.
const SENDS_BATCH: usize = 512;

/// Bytes of event bodies in one commit, and events: what is written at once is in memory twice.
const SENDS_BATCH_BYTES: usize = 16 * 1024 * 1024;
const SENDS_BATCH_EVENTS: usize = 4 * 1024;

/// What one commit takes.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) sends: VecDeque<SendJob>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) completions: Vec<Completion>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.asks.is_empty() && self.completions.is_empty()
    }
}

/// Events of one caller, and where the answer goes.
pub(crate) struct SendJob {
    pub(crate) customer: String,
    pub(crate) events: Vec<PreparedEvent>,
    pub(crate) reply: Reply<Vec<SendReceipt>, SendError>,
}

#[derive(Default)]
struct Waiting {
    batch: Batch,
    /// When the oldest completion arrived.
    lazy_since: Option<Instant>,
    closed: bool,
}

/// On drop, closes the queue, and drops what waits in it together with the replies.
pub(crate) struct AbandonAtEnd<'a>(&'a WriterQueue);

impl Drop for AbandonAtEnd<'_> {
    fn drop(&mut self) {
        // Nothing is lost: what was not committed was not acknowledged, or stays pending.
        let closed = Waiting {
            closed: true,
            ..Waiting::default()
        };
        let waiting = std::mem::replace(&mut *self.0.waiting.lock(), closed);
        if !waiting.batch.is_empty() {
            tracing::error!("the writer ended; calls fail until the store is opened again");
        }
        // Without the lock: what is dropped may look at the queue, or panic.
        contain(|| drop(waiting));
    }
}

/// What the writer does next.
pub(crate) enum NextWork {
    /// One commit.
    Write(Batch),
    /// Nothing arrived for as long as was asked for.
    Idle,
    /// The queue is closed and empty.
    End,
}

/// The queue in front of the writer.
pub(crate) struct WriterQueue {
    waiting: Mutex<Waiting>,
    work: Condvar,
    places: Arc<Semaphore>,
    room: Notify,
}

impl Default for WriterQueue {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            work: Condvar::new(),
            places: Arc::new(Semaphore::new(SENDS_MAX)),
            room: Notify::new(),
        }
    }
}

impl WriterQueue {
    /// Waits for a place among the calls that wait for a commit.
    pub(crate) async fn place(&self) -> Result<Place, StoreError> {
        let places = Arc::clone(&self.places);
        places.acquire_owned().await.map_err(|_| StoreError::Closed)
    }

    /// Stores a caller's events, after waiting for a place.
    pub(crate) async fn send(
        &self,
        customer: &str,
        events: Vec<PreparedEvent>,
    ) -> Result<Vec<SendReceipt>, SendError> {
        let (reply, answer) = Reply::new(Some(self.place().await?));
        self.push_send(SendJob {
            customer: customer.to_owned(),
            events,
            reply,
        });
        answer
            .await
            .unwrap_or(Err(SendError::Store(StoreError::Closed)))
    }

    /// Drops the job, and with it its reply, if the writer has stopped.
    fn push_send(&self, job: SendJob) {
        let mut waiting = self.waiting.lock();
        if !waiting.closed {
            waiting.batch.sends.push_back(job);
            self.work.notify_one();
        }
    }

    /// Queues an ask; it is dropped, and with it its reply, if the writer has stopped.
    pub(crate) fn push(&self, ask: Ask) {
        let mut waiting = self.waiting.lock();
        if !waiting.closed {
            waiting.batch.asks.push(ask);
            self.work.notify_one();
        }
    }

    /// Asks on behalf of the engine itself, and waits for the answer.
    pub(crate) async fn ask<T, E: From<StoreError>>(
        &self,
        ask: impl FnOnce(Reply<T, E>) -> Ask,
    ) -> Result<T, E> {
        self.asked(None, ask).await
    }

    /// Asks on behalf of a caller, after waiting for a place.
    pub(crate) async fn ask_in_turn<T, E: From<StoreError>>(
        &self,
        ask: impl FnOnce(Reply<T, E>) -> Ask,
    ) -> Result<T, E> {
        self.asked(Some(self.place().await?), ask).await
    }

    async fn asked<T, E: From<StoreError>>(
        &self,
        place: Option<Place>,
        ask: impl FnOnce(Reply<T, E>) -> Ask,
    ) -> Result<T, E> {
        let (reply, answer) = Reply::new(place);
        self.push(ask(reply));
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// Queues a completion; waits only while [`COMPLETIONS_MAX`] are waiting already.
    pub(crate) async fn complete(&self, completion: Completion) {
        let mut completion = Some(completion);
        loop {
            let room = self.room.notified();
            {
                let mut waiting = self.waiting.lock();
                if waiting.batch.completions.len() < COMPLETIONS_MAX {
                    if let Some(completion) = completion.take() {
                        waiting.batch.completions.push(completion);
                    }
                    if waiting.lazy_since.is_none() {
                        waiting.lazy_since = Some(Instant::now());
                        self.work.notify_one();
                    } else if waiting.batch.completions.len() == LAZY_BATCH {
                        self.work.notify_one();
                    }
                    return;
                }
            }
            room.await;
        }
    }

    /// Queues a completion without waiting: a delivery that is given back, so bounded by what was in memory.
    pub(crate) fn complete_now(&self, completion: Completion) {
        let mut waiting = self.waiting.lock();
        waiting.batch.completions.push(completion);
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
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            // The engine is stopping and cannot wait for disk space: these deliveries stay pending.
            tracing::warn!(
                outcomes = completions.len(),
                "outcomes of attempts could not be stored; the attempts are made again after the next start"
            );
            return;
        }
        completions.append(&mut waiting.batch.completions);
        waiting.batch.completions = completions;
        waiting.lazy_since = Some(Instant::now());
    }

    /// Waits for work, but no longer than `idle_wait` if that is set.
    pub(crate) fn next(&self, idle_wait: Option<Duration>) -> NextWork {
        let idle_at = idle_wait.map(|wait| Instant::now() + wait);
        let mut waiting = self.waiting.lock();
        loop {
            let batch = &waiting.batch;
            let urgent = !batch.sends.is_empty() || !batch.asks.is_empty() || waiting.closed;
            let lazy_wait = waiting
                .lazy_since
                .map(|since| LAZY_WAIT.saturating_sub(since.elapsed()));
            if urgent || batch.completions.len() >= LAZY_BATCH || lazy_wait == Some(Duration::ZERO)
            {
                break;
            }
            let idle_wait = idle_at.map(|at| at.saturating_duration_since(Instant::now()));
            if lazy_wait.is_none() && idle_wait == Some(Duration::ZERO) {
                return NextWork::Idle;
            }
            match lazy_wait.or(idle_wait) {
                Some(wait) => drop(self.work.wait_for(&mut waiting, wait)),
                None => self.work.wait(&mut waiting),
            }
        }
        let mut batch = std::mem::take(&mut waiting.batch);
        let sends = sends_of_a_batch(&batch.sends);
        if batch.sends.len() > sends {
            waiting.batch.sends = batch.sends.split_off(sends);
        }
        waiting.lazy_since = None;
        drop(waiting);
        self.room.notify_waiters();
        if batch.is_empty() {
            NextWork::End
        } else {
            NextWork::Write(batch)
        }
    }

    /// Held by the writer: however the writer ends, no call is left without an answer.
    pub(crate) fn abandon_at_end(&self) -> AbandonAtEnd<'_> {
        AbandonAtEnd(self)
    }

    /// Refuses further sends and asks; what is already queued is still written.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.work.notify_one();
    }
}

/// How many sends go into one commit: at least one.
fn sends_of_a_batch(sends: &VecDeque<SendJob>) -> usize {
    let (mut bytes, mut events) = (0, 0);
    let taken = sends.iter().take(SENDS_BATCH).take_while(|send| {
        bytes += send
            .events
            .iter()
            .map(|event| event.body.len())
            .sum::<usize>();
        events += send.events.len();
        bytes <= SENDS_BATCH_BYTES && events <= SENDS_BATCH_EVENTS
    });
    taken.count().max(1)
}
