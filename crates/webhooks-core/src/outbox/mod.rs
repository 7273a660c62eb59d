//! An outbox: the state machine of what memory holds for one endpoint. Elsewhere this is called a local queue.
//!
//! | lane | new deliveries go | who checks the lane |
//! |---|---|---|
//! | [`Lane::None`] | to memory, claimed | nobody: there is none |
//! | [`Lane::Flowing`] | to the lane | memory, whenever it has room |
//! | [`Lane::Stopped`] | to the lane | the due scan, once the backoff is over: one delivery |
//! | [`Lane::Kept`] | to the lane | memory, after something was added; it is empty |
//!
//! | from | when | to |
//! |---|---|---|
//! | `None` | memory is full, the endpoint is paused or disabled, a commit failed | `Flowing` |
//! | `None`, `Flowing`, `Kept` | a failure that means trouble ([`Outbox::failed`]), in this engine or in the one that owned the lane before | `Stopped` |
//! | `Stopped` | a success, or a person who says that the endpoint is well, at this engine or at the one before | `Flowing` |
//! | `Flowing`, `Stopped` | its lane is found empty ([`Outbox::leave_lane`]) | `None`; `Kept`, where other engines add to it too |
//! | `None`, `Kept` | something was added, or may have been: the lane must be loaded | `Flowing` |
//! | `Flowing` | its lane now belongs to another engine ([`Outbox::gave_way`](give_way)) | `Kept` |
//!
//! A delivery is **expected** from its placement until the commit that stores it, then it **waits**, then a worker
//! has it in **hand**, and then it is done or on its way back to the lane (**returning**). While any is returning,
//! the lane is neither loaded nor left, because its first row may not be the first delivery. Everything that sends
//! all deliveries back counts as a **retreat**; what was placed or loaded before a retreat and arrives after it
//! goes back, too.
//!
//! Nothing here knows about a store, a network or a task: what has to be done is returned, as [`Steps`] or
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

/// How rows are loaded from a lane.
#[derive(Debug, Clone, Copy)]
struct Loads {
    /// Load when at most this many wait.
    below: usize,
    /// Rows per load.
    rows: usize,
}

/// Loading from a file takes a fraction of a millisecond.
const LOADS_FROM_FILE: Loads = Loads {
    below: 64,
    rows: 256,
};
/// Loading from a server takes some round trips and a commit, in which time an endpoint that answers at once takes
/// some hundred deliveries. Both numbers together are what may wait in memory.
const LOADS_FROM_SERVER: Loads = Loads {
    below: 512,
    rows: 512,
};
/// For an endpoint with a rate limit, a load has no more rows than go out in this time: its owner may end, and
/// then everything in memory must be given back by one engine and loaded by another before any goes out.
const LIMITED_AHEAD: Duration = Duration::from_secs(1);
/// But at least this many.
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
    /// The endpoint as the code that assigns places knows it.
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
    /// Whether a refill is requested or running.
    refilling: bool,
    retreats: u64,
    /// Another engine is to have the lane: nothing more is loaded from it, and it is passed on when nothing is in
    /// flight.
    gives_way: bool,
    /// Outcomes that are not stored yet and that bring rows back to the lane, or set when it is next tried.
    returning: usize,
    health: Health,
}

/// Whether deliveries wait in the store, and how they get from there into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    None,
    /// It is empty, but stays, because other engines add to it.
    Kept,
    Flowing,
    /// The endpoint is in trouble, or the first delivery of an ordered one is.
    Stopped,
}

/// What waits in memory.
#[derive(Default)]
struct Queue {
    rows: VecDeque<ClaimedDelivery>,
    /// The bytes of the bodies that wait and of those that are expected.
    bytes: usize,
    /// Placed by the writer, but not yet handed over.
    expected: usize,
    /// The delivery that was last given to a worker, until the worker ends.
    in_hand: Option<ClaimedDelivery>,
}

/// The workers that make the attempts.
#[derive(Default)]
struct Workers {
    /// Including the one that waits.
    count: usize,
    /// What a worker waits for. One worker waits on behalf of all: when it continues, it starts the next.
    waits: Option<Wait>,
}

/// What a worker waits for before it takes a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For its endpoint's next time, on the timeline: because of a rate limit, or of the pace of an endpoint that
    /// fails from time to time.
    Pace(i64),
    /// For a place among all requests.
    Place,
}

/// When something happens, and whether it may start anything new.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// On the timeline.
    pub(crate) now: i64,
    /// No further attempt is started.
    pub(crate) is_stopping: bool,
}

/// What has to be done because an outbox has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub(crate) struct Steps {
    /// Workers to start; they are already counted.
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

/// The first delivery of an ordered endpoint, as far as it is in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadInMemory {
    /// It is in the lane.
    Nothing,
    /// It has failed before, and is being tried again.
    Tried(String),
    /// It blocks nothing: it is about to be sent for the first time.
    Passing,
}

impl State {
    /// Counts one more worker, if the endpoint allows one.
    fn counts_in_worker(&mut self) -> bool {
        let allowed = self.workers.waits.is_none() && self.workers.count < self.pace.width();
        self.workers.count += usize::from(allowed);
        allowed
    }

    /// Marks a refill as requested, if one is wanted. A lane that passes to another engine does so through a
    /// refill.
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

    /// `due_at` is as returned by [`EndpointRecord::due_in_lane`].
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
    /// `lane` is what the store knows about the endpoint's lane.
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

    /// Sets how many requests may be in flight from now on while all is well.
    #[cfg(feature = "postgres")]
    pub(crate) fn set_in_flight(&self, requests: usize) {
        self.state.lock().pace.set_full(requests);
    }

    pub(crate) fn is_active(&self) -> bool {
        self.endpoint().state == EndpointState::Active
    }

    /// Whether it can be dropped at `now` and read from the store again later.
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

    /// Subtracts the body of a row that no longer waits.
    fn count_out(&self, state: &mut State, row: &ClaimedDelivery) {
        state.queue.bytes -= row.event.body.len();
        self.memory.remove_bytes(row.event.body.len());
    }

    /// The number of deliveries in memory that wait for the clock at `now`: for the endpoint's rate limit or pace.
    #[cfg(feature = "testing")]
    pub(crate) fn waits_for_clock(&self, now: i64) -> usize {
        let state = self.state.lock();
        match state.workers.waits {
            Some(Wait::Pace(until)) if until > now => state.queue.rows.len(),
            _ => 0,
        }
    }

    /// Returns a delivery that a worker holds to the lane, without an attempt.
    pub(crate) fn return_unsent(&self, row: ClaimedDelivery, now: i64) -> GivenBack {
        let due_at = self.endpoint().due_in_lane(now);
        self.state.lock().give_back(row, due_at)
    }

    /// Gives everything that waits in memory back to the lane. After a failure this happens before the outcome is
    /// queued: the lane must be complete when it is next due.
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
        // A waiting worker would delay the delivery with which the endpoint is next tried.
        self.called_off.notify_waiters();
        given
    }

    /// Signalled when what waits in memory goes back to the lane. Call this before [`Outbox::next`].
    pub(crate) fn called_off(&self) -> Notified<'_> {
        self.called_off.notified()
    }

    /// Takes a delivery out of memory, identified by its claim, since the same event may have been sent again.
    /// True if it was still waiting there: then it is not sent.
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

    /// The events and claims of the deliveries that wait here.
    #[cfg(feature = "postgres")]
    pub(crate) fn waiting(&self) -> Vec<(i64, i64)> {
        let state = self.state.lock();
        let rows = state.queue.rows.iter();
        rows.map(|row| (row.event.seq, row.claim)).collect()
    }

    /// The delivery that the lane of an ordered endpoint waits for, if that is in memory.
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
