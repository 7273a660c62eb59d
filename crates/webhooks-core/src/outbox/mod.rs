//! An outbox: the state machine of what memory holds for one endpoint. Others call such a thing a
//! local queue.
//!
//! | lane | new deliveries go | who looks at the lane |
//! |---|---|---|
//! | [`Lane::None`] | to memory, claimed | nobody: there is none |
//! | [`Lane::Flowing`] | to the lane | memory, whenever it has room |
//! | [`Lane::Stopped`] | to the lane | the due scan, when the backoff is over: one delivery |
//! | [`Lane::Kept`] | to the lane | memory, once something was added; it is empty |
//!
//! | from | when | to |
//! |---|---|---|
//! | `None` | memory is full, the endpoint is paused or disabled, a commit failed | `Flowing` |
//! | `None`, `Flowing`, `Kept` | a failure that means trouble ([`Outbox::failed`]), of this engine or of the one that owned the lane before | `Stopped` |
//! | `Stopped` | a success, or a person says that it is well, to this engine or to the one before | `Flowing` |
//! | `Flowing`, `Stopped` | its lane is found empty ([`Outbox::leave_lane`]) | `None`; `Kept`, where other engines add to it too |
//! | `None`, `Kept` | something was added, or may have been: it is to be loaded from | `Flowing` |
//! | `Flowing` | its lane is another engine's now ([`Outbox::gave_way`](give_way)) | `Kept` |
//!
//! A delivery is **expected** from its placing until the commit that stored it, then **waits**, then
//! is in a worker's **hand**, and is done or on its way back to the lane (**returning**). While any
//! is returning the lane is neither loaded from nor left: its first row is not its first. Whatever
//! sends everything back counts as a retreat; what was placed or loaded before it and arrives after
//! goes back too.
//!
//! Nothing here knows a store, a network or a task: what is to be done is returned, as [`Steps`] or
//! [`GivenBack`]. No lock is held across an await.

#[cfg(any(feature = "postgres", test))]
pub(crate) mod give_way;
pub(crate) mod health;
#[cfg(feature = "postgres")]
pub(crate) mod let_go;
pub(crate) mod memory;
pub(crate) mod next;
pub(crate) mod pace;
pub(crate) mod placing;
pub(crate) mod refill;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub(crate) mod trouble;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, futures::Notified};

use crate::{
    endpoint::EndpointState,
    model::{
        delivery::ClaimedDelivery,
        endpoint::EndpointRecord,
        outcome::{Backoff, Verdict},
    },
    places::occupant::Occupant,
};
use health::Health;
use memory::Memory;
use pace::Pace;

/// How a lane is loaded from.
#[derive(Debug, Clone, Copy)]
struct Loads {
    /// At how many that wait.
    below: usize,
    /// Rows at once.
    rows: usize,
}

/// From a file a load takes a fraction of a millisecond.
const LOADS_FROM_FILE: Loads = Loads {
    below: 64,
    rows: 256,
};
/// From a server it is some round trips and a commit, in which an endpoint that answers at once takes
/// some hundred. Both together are what may wait in memory.
const LOADS_FROM_SERVER: Loads = Loads {
    below: 512,
    rows: 512,
};
/// Of one that is limited to so many a second a load has no more than go out in this time: its owner may
/// end, and what it has in memory then is given back by one and loaded by another before any goes out.
const LIMITED_AHEAD: Duration = Duration::from_secs(1);
/// But so many in any case.
const LIMITED_ROWS_MIN: usize = 16;

impl Loads {
    fn of(record: &EndpointRecord) -> Self {
        let is_shared = record.shares || record.keeps_lane;
        match record.interval {
            _ if !is_shared => LOADS_FROM_FILE,
            None => LOADS_FROM_SERVER,
            Some(interval) => {
                let ahead = LIMITED_AHEAD.as_micros() / interval.as_micros().max(1);
                let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
                Self {
                    below: ahead.clamp(LIMITED_ROWS_MIN, LOADS_FROM_SERVER.below),
                    rows: ahead.clamp(LIMITED_ROWS_MIN, LOADS_FROM_SERVER.rows),
                }
            }
        }
    }
}

/// One endpoint in memory.
pub(crate) struct Outbox {
    key: i64,
    record: RwLock<Arc<EndpointRecord>>,
    state: Mutex<State>,
    memory: Arc<Memory>,
    /// How those who give places know it.
    occupant: Arc<Occupant>,
    /// Signalled when what waits in memory goes back to the lane.
    called_off: Notify,
}

struct State {
    queue: Queue,
    loads: Loads,
    workers: Workers,
    pace: Pace,
    lane: Lane,
    /// A refill is asked for or under way.
    refilling: bool,
    retreats: u64,
    /// Another engine is to have the lane: nothing is loaded of it, and it goes when nothing is in flight.
    gives_way: bool,
    /// Outcomes that are not stored yet and bring rows back to the lane, or say when it is tried.
    returning: usize,
    health: Health,
}

/// Whether deliveries wait in the store, and how they come from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    None,
    /// It is empty, and stays: other engines add to it.
    Kept,
    Flowing,
    /// The endpoint is in trouble, or the head of an ordered one is.
    Stopped,
}

/// What waits in memory.
#[derive(Default)]
struct Queue {
    rows: VecDeque<ClaimedDelivery>,
    /// Of the bodies that wait and of those that are expected.
    bytes: usize,
    /// Placed by the writer, not yet handed over.
    expected: usize,
    /// The delivery that was given to a worker last, until the worker ends.
    in_hand: Option<ClaimedDelivery>,
}

/// Who makes the attempts.
#[derive(Default)]
struct Workers {
    /// The one that waits included.
    count: usize,
    /// What a worker waits for. One waits for all: when it goes on, it starts the next.
    waits: Option<Wait>,
}

/// What a worker waits for before it takes a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For its endpoint's time, on the timeline: a rate limit, or the pace of one that fails at
    /// times.
    Pace(i64),
    /// For a place among all requests.
    Place,
}

/// When something happens, and whether it may begin anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// On the timeline.
    pub(crate) now: i64,
    /// No further attempt is started.
    pub(crate) is_stopping: bool,
}

/// What has to be done because an outbox changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub(crate) struct Steps {
    /// Workers to start; they are counted in.
    pub(crate) starts: usize,
    /// Whether to ask for a refill.
    pub(crate) refill: bool,
}

/// A delivery on its way back to the lane without an attempt; it is counted as returning.
#[derive(Debug)]
#[must_use]
pub(crate) struct GivenBack {
    pub(crate) row: ClaimedDelivery,
    pub(crate) verdict: Verdict,
}

/// The head of an ordered endpoint, as far as memory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadInMemory {
    /// The lane has it.
    Nothing,
    /// It failed before, and is tried again at this moment.
    Tried(String),
    /// It blocks nothing: it is about to be sent for the first time.
    Passing,
}

impl State {
    /// Counts in one more worker, where the endpoint allows one.
    fn counts_in_worker(&mut self) -> bool {
        let allowed = self.workers.waits.is_none() && self.workers.count < self.pace.width();
        self.workers.count += usize::from(allowed);
        allowed
    }

    /// Counts in a refill, where one is wanted. A lane that goes to another engine goes by way of one.
    fn wants_refill(&mut self) -> bool {
        let is_time = if self.gives_way {
            !self.is_busy()
        } else {
            self.lane == Lane::Flowing && self.queue.rows.len() <= self.loads.below
        };
        let wanted = is_time && !self.refilling;
        self.refilling |= wanted;
        wanted
    }

    /// Whether something is in flight, about to come into memory, or on its way back to the lane.
    fn is_busy(&self) -> bool {
        let waiting = usize::from(self.workers.waits.is_some());
        self.workers.count > waiting || self.queue.expected > 0 || self.returning > 0
    }

    /// New deliveries go to the lane.
    fn has_lane(&mut self) {
        if matches!(self.lane, Lane::None | Lane::Kept) {
            self.lane = Lane::Flowing;
        }
    }

    /// `due_at`: as [`EndpointRecord::due_in_lane`] says.
    fn give_back(&mut self, row: ClaimedDelivery, due_at: i64) -> GivenBack {
        self.returning += 1;
        GivenBack {
            row,
            verdict: Verdict::Lane {
                due_at,
                backoff: self.health.backoff,
            },
        }
    }
}

impl Outbox {
    /// `lane`: what the store knows of the endpoint's.
    pub(crate) fn new(record: EndpointRecord, lane: Option<Backoff>, memory: Arc<Memory>) -> Self {
        let backoff = lane.unwrap_or_default();
        let (lane, pace) = match lane {
            Some(backoff) if backoff.failures > 0 => {
                (Lane::Stopped, Pace::single(record.in_flight))
            }
            Some(_) => (Lane::Flowing, Pace::full(record.in_flight)),
            None => (Lane::None, Pace::full(record.in_flight)),
        };
        let state = State {
            queue: Queue::default(),
            loads: Loads::of(&record),
            workers: Workers::default(),
            pace,
            lane,
            refilling: false,
            retreats: 0,
            gives_way: false,
            returning: 0,
            health: Health::new(backoff, record.failing_since),
        };
        Self {
            key: record.key,
            occupant: Arc::new(Occupant::new(Arc::clone(&record.customer))),
            record: RwLock::new(Arc::new(record)),
            state: Mutex::new(state),
            memory,
            called_off: Notify::new(),
        }
    }

    pub(crate) fn key(&self) -> i64 {
        self.key
    }

    pub(crate) fn endpoint(&self) -> Arc<EndpointRecord> {
        Arc::clone(&self.record.read())
    }

    /// Puts a changed endpoint in place. Memory has the newer failing-since: what it notes of that is
    /// stored later.
    pub(crate) fn replace(&self, record: EndpointRecord) {
        let mut state = self.state.lock();
        state.pace.set_full(record.in_flight);
        state.loads = Loads::of(&record);
        if record.state != EndpointState::Active {
            state.has_lane();
        }
        drop(state);
        *self.record.write() = Arc::new(record);
    }

    /// So many requests may be in flight from now on, when all is well.
    #[cfg(feature = "postgres")]
    pub(crate) fn set_in_flight(&self, requests: usize) {
        self.state.lock().pace.set_full(requests);
    }

    pub(crate) fn is_active(&self) -> bool {
        self.endpoint().state == EndpointState::Active
    }

    /// Whether it can be forgotten at `now` and read from the store again.
    pub(crate) fn is_idle(&self, now: i64) -> bool {
        let state = self.state.lock();
        state.queue.rows.is_empty()
            && state.workers.count == 0
            && state.queue.expected == 0
            && matches!(state.lane, Lane::None | Lane::Kept)
            && !state.refilling
            && !state.gives_way
            && state.returning == 0
            && state.health.failed_in_a_row == 0
            && state.pace.is_at_rest(now.saturating_mul(1_000))
    }

    /// Counts the body of a row out that no longer waits.
    fn count_out(&self, state: &mut State, row: &ClaimedDelivery) {
        state.queue.bytes -= row.event.body.len();
        self.memory.remove_bytes(row.event.body.len());
    }

    /// Deliveries in memory that wait for the clock at `now`: for the endpoint's rate limit or pace.
    #[cfg(feature = "testing")]
    pub(crate) fn waits_for_clock(&self, now: i64) -> usize {
        let state = self.state.lock();
        match state.workers.waits {
            Some(Wait::Pace(until)) if until > now => state.queue.rows.len(),
            _ => 0,
        }
    }

    /// Returns a delivery in a worker's hand to the lane without an attempt.
    pub(crate) fn return_unsent(&self, row: ClaimedDelivery, now: i64) -> GivenBack {
        let due_at = self.endpoint().due_in_lane(now);
        self.state.lock().give_back(row, due_at)
    }

    /// Gives everything that waits in memory back to the lane. After a failure this comes before
    /// its outcome is queued: the lane must be whole when it is next due.
    #[must_use]
    pub(crate) fn give_all_back(&self, now: i64) -> Vec<GivenBack> {
        let due_at = self.endpoint().due_in_lane(now);
        let mut state = self.state.lock();
        state.has_lane();
        state.retreats += 1;
        let rows = std::mem::take(&mut state.queue.rows);
        let given = rows
            .into_iter()
            .map(|row| {
                self.count_out(&mut state, &row);
                state.give_back(row, due_at)
            })
            .collect();
        drop(state);
        // A worker that waits would hold up the delivery that the endpoint is next tried with.
        self.called_off.notify_waiters();
        given
    }

    /// Signalled when what waits in memory goes back to the lane. To be asked for before
    /// [`Outbox::next`].
    pub(crate) fn called_off(&self) -> Notified<'_> {
        self.called_off.notified()
    }

    /// Takes a delivery out of memory, by its claim: the same event may have been sent again. True
    /// when it still waited there: it is not sent.
    pub(crate) fn take_out(&self, claim: i64) -> bool {
        let mut state = self.state.lock();
        let rows = &mut state.queue.rows;
        let at = rows.iter().position(|row| row.claim == claim);
        let Some(row) = at.and_then(|at| rows.remove(at)) else {
            return false;
        };
        self.count_out(&mut state, &row);
        drop(state);
        self.memory.released(1);
        true
    }

    /// The events and claims of what waits here.
    #[cfg(feature = "postgres")]
    pub(crate) fn waiting(&self) -> Vec<(i64, i64)> {
        let state = self.state.lock();
        let rows = state.queue.rows.iter();
        rows.map(|row| (row.event.seq, row.claim)).collect()
    }

    /// What the lane of an ordered endpoint waits for when that is in memory.
    pub(crate) fn head(&self) -> HeadInMemory {
        let state = self.state.lock();
        match state.queue.in_hand.as_ref().or(state.queue.rows.front()) {
            Some(row) if row.attempts > 0 => HeadInMemory::Tried(row.event.id.clone()),
            Some(_) => HeadInMemory::Passing,
            None if state.queue.expected > 0 => HeadInMemory::Passing,
            None => HeadInMemory::Nothing,
        }
    }
}
