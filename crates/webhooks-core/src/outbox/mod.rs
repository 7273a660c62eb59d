//! What memory holds for one endpoint: its queue, how many requests are in flight, and whether
//! it has a lane. What a worker does next is in `next`, how a lane is loaded again in `refill`,
//! what failures mean in `trouble`.

pub(crate) mod next;
pub(crate) mod pace;
pub(crate) mod refill;
pub(crate) mod trouble;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::sync::Notify;

use crate::{
    endpoint::EndpointState,
    engine::{Shared, worker},
    model::{
        delivery::ClaimedDelivery,
        endpoint::EndpointRecord,
        outcome::{Consequences, Verdict},
    },
    places::occupant::Occupant,
    store::completion::Completion,
};
use pace::Pace;

/// Deliveries of one endpoint that wait in memory; more waits in its lane.
pub(crate) const QUEUE_MAX: usize = 1_024;
/// Bytes of bodies of one endpoint that wait in memory.
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One endpoint in memory.
pub(crate) struct Outbox {
    key: i64,
    record: RwLock<Arc<EndpointRecord>>,
    state: Mutex<State>,
    /// How those who give places know it.
    occupant: Arc<Occupant>,
    /// Signalled when what waits in memory goes back to the lane.
    called_off: Notify,
}

struct State {
    queue: VecDeque<ClaimedDelivery>,
    queue_bytes: usize,
    /// The delivery that was given to a worker last, until the worker ends.
    in_hand: Option<ClaimedDelivery>,
    /// Placed by the writer, not yet handed over.
    expected: usize,
    /// Workers, the one that waits included.
    workers: usize,
    /// What a worker waits for. One waits for all: when it goes on, it starts the next.
    waits: Option<Wait>,
    pace: Pace,
    /// New deliveries go to the lane in the store.
    laned: bool,
    /// The endpoint is in trouble, or the head of an ordered one is: tried when its lane is due.
    trouble: bool,
    /// How often what memory holds went back to the lane: what was placed or loaded before the
    /// last time, and is yet to be handed over, goes back too.
    retreats: u64,
    refilling: bool,
    /// Outcomes that are not stored yet and bring rows back to the lane, or say when it is tried:
    /// until then the store's lane is not all of it, and its first row not the first.
    returning: usize,
    backoff_until: i64,
    /// Failed probes in a row, for the backoff.
    failures: u32,
    /// Failed attempts in a row.
    failed_in_a_row: u32,
    failing_since: Option<i64>,
    /// When it last answered with a 2xx.
    succeeded_at: i64,
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

/// Where a new delivery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Nowhere: the endpoint is disabled.
    Refuse,
    /// To memory, claimed. `lane`: the row is marked as one of the lane's all the same.
    /// `retreats`: those so far.
    Memory { lane: bool, retreats: u64 },
    /// To the lane; `wake`: nothing in memory would come back to it.
    Lane { wake: bool },
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

/// What the store knows of an endpoint's lane when the endpoint is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StoredLane {
    pub(crate) backoff_until: i64,
    pub(crate) failures: u32,
}

impl State {
    /// Counts in one more worker, where the endpoint allows one.
    fn counts_in_worker(&mut self) -> bool {
        let allowed = self.waits.is_none() && self.workers < self.pace.width();
        self.workers += usize::from(allowed);
        allowed
    }
}

impl Outbox {
    pub(crate) fn new(record: EndpointRecord, lane: Option<StoredLane>) -> Self {
        let trouble = lane.is_some_and(|lane| lane.failures > 0);
        let pace = if trouble {
            Pace::single(record.in_flight)
        } else {
            Pace::full(record.in_flight)
        };
        let state = State {
            queue: VecDeque::new(),
            queue_bytes: 0,
            in_hand: None,
            expected: 0,
            workers: 0,
            waits: None,
            pace,
            laned: lane.is_some(),
            trouble,
            retreats: 0,
            refilling: false,
            returning: 0,
            backoff_until: lane.map_or(0, |lane| lane.backoff_until),
            failures: lane.map_or(0, |lane| lane.failures),
            failed_in_a_row: 0,
            failing_since: record.failing_since,
            succeeded_at: i64::MIN,
        };
        Self {
            key: record.key,
            occupant: Arc::new(Occupant::new(Arc::clone(&record.customer))),
            record: RwLock::new(Arc::new(record)),
            state: Mutex::new(state),
            called_off: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn key(&self) -> i64 {
        self.key
    }

    pub(crate) fn endpoint(&self) -> Arc<EndpointRecord> {
        Arc::clone(&self.record.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a changed endpoint in place. Since when it fails memory knows better: what it notes of
    /// that is stored later.
    pub(crate) fn replace(&self, record: EndpointRecord) {
        let mut state = self.lock();
        state.pace.set_full(record.in_flight);
        if record.state != EndpointState::Active {
            state.laned = true;
        }
        drop(state);
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(record);
    }

    pub(crate) fn is_active(&self) -> bool {
        self.endpoint().state == EndpointState::Active
    }

    pub(crate) fn backoff_until(&self) -> i64 {
        self.lock().backoff_until
    }

    /// Since when every attempt has failed, on the timeline.
    pub(crate) fn failing_since(&self) -> Option<i64> {
        self.lock().failing_since
    }

    /// Whether the endpoint's lane is tried with one delivery now and then.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.lock().trouble
    }

    /// Whether it can be forgotten at `now` and read from the store again.
    pub(crate) fn is_idle(&self, now: i64) -> bool {
        let state = self.lock();
        state.queue.is_empty()
            && state.workers == 0
            && state.expected == 0
            && !state.laned
            && !state.refilling
            && state.returning == 0
            && state.failed_in_a_row == 0
            && state.pace.is_at_rest(now.saturating_mul(1_000))
    }

    /// Decides where a new delivery goes, and counts it in when that is memory.
    pub(crate) fn place(&self, shared: &Shared, bytes: usize) -> Placement {
        let endpoint = self.endpoint();
        let mut state = self.lock();
        match endpoint.state {
            EndpointState::Disabled { .. } => return Placement::Refuse,
            EndpointState::Paused => {
                state.laned = true;
                return Placement::Lane { wake: false };
            }
            EndpointState::Active => {}
        }
        let full = state.queue.len() + state.expected >= QUEUE_MAX
            || state.queue_bytes >= QUEUE_BYTES_MAX
            || shared.is_memory_full();
        if state.laned || full {
            state.laned = true;
            let idle = state.queue.is_empty() && state.expected == 0 && state.workers == 0;
            return Placement::Lane {
                wake: idle && !state.refilling && !state.trouble,
            };
        }
        state.expected += 1;
        state.queue_bytes += bytes;
        shared.add_bytes(bytes);
        shared.hold();
        Placement::Memory {
            lane: endpoint.ordered,
            retreats: state.retreats,
        }
    }

    /// Counts in a row that a refill hands over.
    pub(crate) fn expect(&self, shared: &Shared, bytes: usize) {
        let mut state = self.lock();
        state.expected += 1;
        state.queue_bytes += bytes;
        shared.add_bytes(bytes);
        shared.hold();
    }

    /// Takes back what [`Outbox::place`] or [`Outbox::expect`] counted in.
    pub(crate) fn forget_expected(&self, shared: &Shared, row: &ClaimedDelivery) {
        let mut state = self.lock();
        state.expected -= 1;
        state.queue_bytes -= row.event.body.len();
        drop(state);
        shared.remove_bytes(row.event.body.len());
        shared.released(1);
    }

    /// Takes a delivery that is stored and claimed. One that no longer may go out from memory is
    /// given back to the lane. `retreats`: those when it was placed or loaded.
    pub(crate) fn accept(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        row: ClaimedDelivery,
        retreats: u64,
    ) {
        let endpoint = self.endpoint();
        let mut state = self.lock();
        state.expected -= 1;
        let refused = retreats != state.retreats
            || endpoint.state != EndpointState::Active
            || shared.is_stopping();
        if refused {
            state.queue_bytes -= row.event.body.len();
            let completion = self.give_back(shared, &mut state, row, endpoint.ordered);
            drop(state);
            shared.queue.complete_now(completion);
            return;
        }
        state.queue.push_back(row);
        let start = state.counts_in_worker();
        let waits = state.waits.is_some();
        drop(state);
        if start {
            self.start_worker(shared);
        }
        if waits {
            // It waits with the others: whoever waits until all is done looks again.
            shared.idle.notify_waiters();
        }
    }

    /// Starts a worker that was counted in.
    fn start_worker(self: &Arc<Self>, shared: &Arc<Shared>) {
        shared.spawn(worker::work(Arc::clone(shared), Arc::clone(self)));
    }

    /// Deliveries in memory that wait for the clock at `now`: for the endpoint's rate limit or pace.
    #[cfg(feature = "testing")]
    pub(crate) fn waits_for_clock(&self, now: i64) -> usize {
        let state = self.lock();
        match state.waits {
            Some(Wait::Pace(until)) if until > now => state.queue.len(),
            _ => 0,
        }
    }

    /// A completion that returns a delivery in a worker's hand to the lane without an attempt.
    pub(crate) fn return_unsent(
        self: &Arc<Self>,
        shared: &Shared,
        row: ClaimedDelivery,
    ) -> Completion {
        let ordered = self.endpoint().ordered;
        self.unsent(shared, &mut self.lock(), row, ordered)
    }

    /// A completion that returns a delivery that waits in memory to the lane.
    fn give_back(
        self: &Arc<Self>,
        shared: &Shared,
        state: &mut State,
        row: ClaimedDelivery,
        ordered: bool,
    ) -> Completion {
        shared.remove_bytes(row.event.body.len());
        self.unsent(shared, state, row, ordered)
    }

    fn unsent(
        self: &Arc<Self>,
        shared: &Shared,
        state: &mut State,
        row: ClaimedDelivery,
        ordered: bool,
    ) -> Completion {
        state.returning += 1;
        let due_at = if ordered { 0 } else { shared.timeline.now() };
        let (backoff_until, failures) = (state.backoff_until, state.failures);
        let verdict = Verdict::Lane {
            due_at,
            backoff_until,
            failures,
        };
        Completion {
            outbox: Arc::clone(self),
            row,
            attempt: None,
            verdict,
            consequences: Consequences {
                returning: true,
                ..Consequences::default()
            },
        }
    }

    /// Gives everything that waits in memory back to the lane. After a failure this comes before
    /// its outcome is queued: the lane must be whole when it is next due.
    pub(crate) fn give_all_back(self: &Arc<Self>, shared: &Shared) {
        let ordered = self.endpoint().ordered;
        let mut state = self.lock();
        state.laned = true;
        state.retreats += 1;
        let rows = std::mem::take(&mut state.queue);
        state.queue_bytes -= rows.iter().map(|row| row.event.body.len()).sum::<usize>();
        let completions: Vec<Completion> = rows
            .into_iter()
            .map(|row| self.give_back(shared, &mut state, row, ordered))
            .collect();
        drop(state);
        // A worker that waits would hold up the delivery that the endpoint is next tried with.
        self.called_off.notify_waiters();
        for completion in completions {
            shared.queue.complete_now(completion);
        }
    }

    /// Takes a delivery out of memory, by its claim: the same event may have been sent again. True
    /// when it still waited there: it is not sent.
    pub(crate) fn take_out(&self, shared: &Shared, claim: i64) -> bool {
        let mut state = self.lock();
        let Some(at) = state.queue.iter().position(|row| row.claim == claim) else {
            return false;
        };
        if let Some(row) = state.queue.remove(at) {
            state.queue_bytes -= row.event.body.len();
            shared.remove_bytes(row.event.body.len());
        }
        drop(state);
        shared.released(1);
        true
    }

    /// What the lane of an ordered endpoint waits for when that is in memory.
    pub(crate) fn head(&self) -> HeadInMemory {
        let state = self.lock();
        match state.in_hand.as_ref().or(state.queue.front()) {
            Some(row) if row.attempts > 0 => HeadInMemory::Tried(row.event.id.clone()),
            Some(_) => HeadInMemory::Passing,
            None if state.expected > 0 => HeadInMemory::Passing,
            None => HeadInMemory::Nothing,
        }
    }

    /// Notes a success at `now`. Returns whether the endpoint had been failing.
    pub(crate) fn succeeded(self: &Arc<Self>, shared: &Arc<Shared>, now: i64) -> bool {
        let mut state = self.lock();
        state.failed_in_a_row = 0;
        state.succeeded_at = now;
        let was_failing = state.failing_since.take().is_some();
        state.trouble = false;
        state.pace.succeeded();
        let refill = Self::wants_refill(&mut state);
        // More may be allowed in flight than there are workers.
        let mut starts = 0;
        while state.queue.len() > starts && state.counts_in_worker() {
            starts += 1;
        }
        drop(state);
        for _ in 0..starts {
            self.start_worker(shared);
        }
        if refill {
            self.ask_for_refill(shared);
        }
        was_failing
    }
}
