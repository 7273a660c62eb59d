//! What waits for the writer: one lock, taken once per batch.
//!
//! Urgent work wakes the writer at once. Completions are lazy: several of them ride along with a
//! commit, or get one of their own within [`LAZY_WAIT`], so that recording an outcome does not
//! double the number of commits. Nor do they wake the writer: once it has stored events, it looks by
//! itself for what became of them.

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

/// How long a completion waits for a commit to ride along with: from 50 events a second on, one
/// comes. After a crash, what was delivered within this time is delivered again.
const LAZY_WAIT: Duration = Duration::from_millis(20);
/// A sender waits for everything in its commit, so not every commit takes completions: they ride along once the first
/// has waited for this long,
const RIDE_AFTER: Duration = Duration::from_millis(10);
/// or once this many wait, which are still written in a fraction of the time that the commit takes.
const RIDE_BATCH: usize = 4;
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
    /// Whether something does not wait for a commit of others.
    is_urgent: bool,
    /// When what is lazy gets a commit of its own.
    lazy_at: Option<Instant>,
    /// When the writer, while it waits, wakes up by itself.
    wakes_at: Option<Instant>,
    /// Whether the last commit stored events, whose outcomes may come soon.
    has_sent: bool,
    closed: bool,
}

impl Waiting {
    /// Whether what is lazy in a batch is written with the rest of it.
    fn rides_along(&self, batch: &Batch) -> bool {
        let is_young = |at: Instant| at > Instant::now() + (LAZY_WAIT - RIDE_AFTER);
        let sends_only = !batch.sends.is_empty() && batch.asks.is_empty() && !self.closed;
        !sends_only || batch.completions.len() >= RIDE_BATCH || !self.lazy_at.is_some_and(is_young)
    }
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

/// How soon an ask is written.
#[derive(Clone, Copy)]
enum Haste {
    Now,
    /// With the next commit, or with one of its own within this time.
    Within(Duration),
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
            waiting.is_urgent = true;
            self.work.notify_one();
        }
    }

    /// Queues an ask; it is dropped, and with it its reply, if the writer has stopped.
    pub(crate) fn push(&self, ask: Ask) {
        self.push_for(Haste::Now, ask);
    }

    fn push_for(&self, haste: Haste, ask: Ask) {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return;
        }
        waiting.batch.asks.push(ask);
        match haste {
            Haste::Now => {
                waiting.is_urgent = true;
                self.work.notify_one();
            }
            Haste::Within(wait) => self.write_within(wait, &mut waiting),
        }
    }

    /// Asks on behalf of the engine itself, and waits for the answer.
    pub(crate) async fn ask<T, E: From<StoreError>>(
        &self,
        ask: impl FnOnce(Reply<T, E>) -> Ask,
    ) -> Result<T, E> {
        self.asked(None, Haste::Now, ask).await
    }

    /// Asks on behalf of the engine itself, without a commit for this alone unless none comes within `wait`.
    pub(crate) async fn ask_lazily<T, E: From<StoreError>>(
        &self,
        wait: Duration,
        ask: impl FnOnce(Reply<T, E>) -> Ask,
    ) -> Result<T, E> {
        self.asked(None, Haste::Within(wait), ask).await
    }

    /// Asks on behalf of a caller, after waiting for a place.
    pub(crate) async fn ask_in_turn<T, E: From<StoreError>>(
        &self,
        ask: impl FnOnce(Reply<T, E>) -> Ask,
    ) -> Result<T, E> {
        let place = self.place().await?;
        self.asked(Some(place), Haste::Now, ask).await
    }

    async fn asked<T, E: From<StoreError>>(
        &self,
        place: Option<Place>,
        haste: Haste,
        ask: impl FnOnce(Reply<T, E>) -> Ask,
    ) -> Result<T, E> {
        let (reply, answer) = Reply::new(place);
        self.push_for(haste, ask(reply));
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
                        self.add(completion, &mut waiting);
                    }
                    return;
                }
            }
            room.await;
        }
    }

    /// Queues a completion without waiting: a delivery that is given back, so bounded by what was in memory.
    pub(crate) fn complete_now(&self, completion: Completion) {
        self.add(completion, &mut self.waiting.lock());
    }

    fn add(&self, completion: Completion, waiting: &mut Waiting) {
        waiting.batch.completions.push(completion);
        match waiting.batch.completions.len() {
            1 => self.write_within(LAZY_WAIT, waiting),
            LAZY_BATCH => drop(self.work.notify_one()),
            _ => {}
        }
    }

    /// Wakes the writer unless it will wake up in time by itself.
    fn write_within(&self, wait: Duration, waiting: &mut Waiting) {
        let by = Instant::now() + wait;
        waiting.lazy_at = Some(waiting.lazy_at.map_or(by, |at| at.min(by)));
        if waiting.wakes_at.is_none_or(|at| at > by) {
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
        waiting.lazy_at = Some(Instant::now() + LAZY_WAIT);
    }

    /// Waits for work, but no longer than `idle_wait` if that is set.
    pub(crate) fn next(&self, idle_wait: Option<Duration>) -> NextWork {
        let began = Instant::now();
        let idle_at = idle_wait.map(|wait| began + wait);
        let mut waiting = self.waiting.lock();
        waiting.wakes_at = None;
        let look_at = waiting.has_sent.then(|| began + LAZY_WAIT);
        loop {
            let (now, lazy_at) = (Instant::now(), waiting.lazy_at);
            let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            if waiting.is_urgent
                || waiting.closed
                || waiting.batch.completions.len() >= LAZY_BATCH
                || is_due(lazy_at)
                || (lazy_at.is_some() && is_due(waiting.wakes_at))
            {
                break;
            }
            if lazy_at.is_none() && is_due(idle_at) {
                waiting.has_sent = false;
                return NextWork::Idle;
            }
            let look_at = look_at.filter(|at| *at > now);
            waiting.wakes_at = [lazy_at, idle_at, look_at].into_iter().flatten().min();
            match waiting.wakes_at {
                Some(at) => drop(self.work.wait_until(&mut waiting, at)),
                None => self.work.wait(&mut waiting),
            }
        }
        let mut batch = std::mem::take(&mut waiting.batch);
        if waiting.rides_along(&batch) {
            waiting.lazy_at = None;
        } else {
            waiting.batch.completions = std::mem::take(&mut batch.completions);
        }
        let sends = sends_of_a_batch(&batch.sends);
        if batch.sends.len() > sends {
            waiting.batch.sends = batch.sends.split_off(sends);
        }
        waiting.is_urgent = !waiting.batch.sends.is_empty();
        waiting.has_sent = !batch.sends.is_empty();
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
