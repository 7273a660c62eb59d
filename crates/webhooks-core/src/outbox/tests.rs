//! Tests the state machine against a model: random steps of a world without store and network, in which every
//! delivery is in one place at a time, and all deliveries succeed once the receiver is well.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use url::Url;

use super::{
    health::FailedAttempt,
    next::{Wake, WorkerStep},
    placing::Placement,
    *,
};
use crate::{
    attempt::Symptom,
    endpoint::EndpointId,
    model::delivery::StoredEvent,
    places::{Place, Places, share::Answer},
    retry::RetrySchedule,
};

/// The size of each body in bytes: a few hundred bodies fill an outbox's share.
const BODY: usize = 16 * 1024;
const RETRY_MS: i64 = 60_000;

/// The kind of endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Ordered,
    /// Ordered, and other engines add to its lane, which stays even when it is empty.
    Shared,
}

fn record(state: EndpointState, kind: Kind) -> EndpointRecord {
    let ordered = kind != Kind::Plain;
    EndpointRecord {
        key: 1,
        id: EndpointId::from("ep_1"),
        customer: "acme".into(),
        url: Url::parse("https://acme.example").unwrap(),
        shown_url: "https://acme.example".to_owned(),
        event_types: Vec::new(),
        ordered,
        state,
        in_flight: if ordered { 1 } else { 4 },
        shares: false,
        keeps_lane: kind == Kind::Shared,
        interval: None,
        schedule: Arc::new(RetrySchedule::default()),
        headers: http::HeaderMap::new(),
        secrets: Vec::new(),
        legacy: None,
        created_at: 0,
        failing_since: None,
    }
}

/// Stands in for the store and the workers.
struct World {
    random: StdRng,
    now: i64,
    kind: Kind,
    paused: bool,
    outbox: Outbox,
    memory: Arc<Memory>,
    places: Arc<Places>,
    sent: i64,
    /// Stored, but not handed over yet.
    expected: VecDeque<(ClaimedDelivery, u64)>,
    waiting: VecDeque<i64>,
    hands: Vec<(ClaimedDelivery, Place, u64)>,
    /// Workers without a delivery, and what each waits for.
    workers: VecDeque<Option<i64>>,
    returning: VecDeque<(ClaimedDelivery, i64)>,
    /// The rows of the lane, with their attempts so far.
    lane: BTreeMap<i64, u32>,
    lane_due: Option<i64>,
    refill_asked: bool,
    /// Rows that wait on their own for their retry.
    retries: BTreeMap<i64, (i64, u32)>,
    done: BTreeSet<i64>,
    first_arrivals: Vec<i64>,
    changes: BTreeSet<(Lane, Lane)>,
}

impl World {
    fn new(seed: u64, kind: Kind) -> Self {
        let memory = Arc::<Memory>::default();
        let active = record(EndpointState::Active, kind);
        let lane = (kind == Kind::Shared).then(Backoff::default);
        Self {
            random: StdRng::seed_from_u64(seed),
            now: 1_000_000,
            kind,
            paused: false,
            outbox: Outbox::new(active, lane, Arc::clone(&memory)),
            memory,
            places: Arc::new(Places::new(64)),
            sent: 0,
            expected: VecDeque::new(),
            waiting: VecDeque::new(),
            hands: Vec::new(),
            workers: VecDeque::new(),
            returning: VecDeque::new(),
            lane: BTreeMap::new(),
            // An existing lane is checked immediately.
            lane_due: lane.map(|_| 0),
            refill_asked: false,
            retries: BTreeMap::new(),
            done: BTreeSet::new(),
            first_arrivals: Vec::new(),
            changes: BTreeSet::new(),
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            is_stopping: false,
        }
    }

    fn follow(&mut self, steps: Steps) {
        self.workers.extend((0..steps.starts).map(|_| None));
        self.refill_asked |= steps.refill;
    }

    fn row(seq: i64, attempts: u32) -> ClaimedDelivery {
        ClaimedDelivery {
            event: Arc::new(StoredEvent {
                seq,
                id: seq.to_string(),
                body: bytes::Bytes::from_static(&[0; BODY]),
                traceparent: None,
            }),
            claim: seq,
            attempts,
            number: attempts,
        }
    }

    /// Adds a delivery, as a send and the scan of retries do.
    fn add_delivery(&mut self, seq: i64, attempts: u32) {
        match self.outbox.place(BODY) {
            Placement::Refuse => panic!("it is never disabled"),
            Placement::Memory { lane, retreats } => {
                assert_eq!(lane, self.kind == Kind::Ordered);
                self.expected
                    .push_back((Self::row(seq, attempts), retreats));
            }
            Placement::Lane { wake } => {
                self.lane.insert(seq, attempts);
                self.lane_due = self.lane_due.or(wake.then_some(self.now));
                if wake {
                    let steps = self.outbox.wake();
                    self.follow(steps);
                }
            }
        }
    }

    /// Another engine adds to the lane without memory being notified.
    fn add_elsewhere(&mut self) {
        self.sent += 1;
        self.lane.insert(self.sent, 0);
        if !self.paused {
            self.lane_due = self.lane_due.or(Some(self.now));
        }
    }

    fn hand_over(&mut self) {
        let Some((row, retreats)) = self.expected.pop_front() else {
            return;
        };
        let seq = row.event.seq;
        match self.outbox.accept(row, retreats, self.moment()) {
            Ok(steps) => {
                self.waiting.push_back(seq);
                self.follow(steps);
            }
            Err(given) => self.returning.push_back((given.row, self.now)),
        }
    }

    fn work(&mut self) {
        let Some(position) = self
            .workers
            .iter()
            .position(|until| until.is_none_or(|until| until <= self.now))
        else {
            return;
        };
        let wake = match self.workers.remove(position).flatten() {
            Some(_) => Wake::Waited(None),
            None => Wake::Free,
        };
        let (next, steps) = self.outbox.next(&self.places, wake, self.moment());
        self.follow(steps);
        match next {
            WorkerStep::Deliver(taken) => {
                assert_eq!(self.waiting.pop_front(), Some(taken.row.event.seq));
                self.hands.push((taken.row, taken.place, taken.retreats));
                assert!(self.hands.len() <= if self.kind == Kind::Plain { 4 } else { 1 });
            }
            WorkerStep::WaitUntil(at) => self.workers.push_back(Some(at)),
            // Treated as if its turn came immediately, or as if the next look takes another place.
            WorkerStep::WaitForPlace(grant) => {
                drop(grant);
                self.workers.push_back(Some(self.now));
            }
            WorkerStep::End => {}
        }
    }

    fn give_all_back(&mut self) {
        let given = self.outbox.give_all_back(self.now);
        let rows: Vec<i64> = given.iter().map(|given| given.row.event.seq).collect();
        assert_eq!(rows, self.waiting.drain(..).collect::<Vec<i64>>());
        let now = self.now;
        self.returning
            .extend(given.into_iter().map(|given| (given.row, now)));
    }

    /// An attempt ends, either with a success or with a failure of this kind.
    fn end_attempt(&mut self, failure: Option<Symptom>) {
        if self.hands.is_empty() {
            return;
        }
        let at = self.random.random_range(0..self.hands.len());
        let (mut row, place, _) = self.hands.swap_remove(at);
        let seq = row.event.seq;
        if row.attempts == 0 {
            self.first_arrivals.push(seq);
        }
        row.attempts += 1;
        let Some(symptom) = failure else {
            place.end(self.now, Answer::Success);
            let (_, steps) = self.outbox.succeeded(self.now);
            self.follow(steps);
            self.memory.released(1);
            assert!(self.done.insert(seq), "delivered twice");
            self.workers.push_back(None);
            return;
        };
        place.end(self.now, Answer::Failure);
        let failed = self.outbox.failed(&FailedAttempt {
            started_at: self.now,
            ended_at: self.now,
            symptom,
            retry_after: None,
        });
        if failed.trouble {
            self.give_all_back();
            self.returning.push_back((row, failed.backoff.until));
        } else {
            self.memory.released(1);
            self.retries
                .insert(seq, (self.now + RETRY_MS, row.attempts));
        }
        self.workers.push_back(None);
    }

    /// The machine cannot make a request: no attempt is made.
    fn put_back(&mut self) {
        let Some((row, place, retreats)) = self.hands.pop() else {
            return;
        };
        drop(place);
        let seq = row.event.seq;
        match self.outbox.put_back(row, retreats, self.moment()) {
            None => self.waiting.push_front(seq),
            Some(row) => {
                let given = self.outbox.return_unsent(row, self.now);
                self.returning.push_back((given.row, self.now));
            }
        }
        self.workers.push_back(None);
    }

    fn store_outcome(&mut self) {
        let Some((row, until)) = self.returning.pop_front() else {
            return;
        };
        self.lane.insert(row.event.seq, row.attempts);
        self.lane_due = (!self.paused).then_some(until);
        self.memory.released(1);
        let steps = self.outbox.returned();
        self.follow(steps);
    }

    /// Another engine is to have the lane.
    fn give_way(&mut self) {
        let given = self.outbox.give_way(self.now);
        let rows: Vec<i64> = given.iter().map(|given| given.row.event.seq).collect();
        assert_eq!(rows, self.waiting.drain(..).collect::<Vec<i64>>());
        let now = self.now;
        self.returning
            .extend(given.into_iter().map(|given| (given.row, now)));
        self.give_lane();
    }

    /// Gives the lane to another engine, once none of it is in flight; that engine does nothing with it and is
    /// gone when the lane is due. Or there is no such engine any more. False while something is in flight.
    fn give_lane(&mut self) -> bool {
        let Some(at) = self.outbox.goes_at(self.now) else {
            return false;
        };
        let nowhere = self.hands.is_empty() && self.expected.is_empty();
        assert!(nowhere && self.waiting.is_empty() && self.returning.is_empty());
        if !self.paused {
            let at = at.max(self.outbox.backoff_until());
            self.lane_due = Some(self.lane_due.map_or(at, |due| due.max(at)));
        }
        if self.random.random_bool(0.3) {
            self.outbox.stays();
        } else {
            self.outbox.gave_way();
        }
        true
    }

    /// Loads the lane, as the store does. `due`: whether the lane is due.
    fn refill(&mut self, due: bool) {
        self.refill_asked &= due;
        if self.outbox.gives_way() && self.give_lane() {
            self.outbox.refill_ended();
            return;
        }
        if let Some(plan) = self.outbox.plan_refill() {
            assert!(self.returning.is_empty(), "the lane is not whole");
            if due || !plan.trouble {
                self.lane_due = None;
                let rows: Vec<(i64, u32)> = self
                    .lane
                    .iter()
                    .take(plan.rows)
                    .map(|(seq, attempts)| (*seq, *attempts))
                    .collect();
                for (seq, attempts) in &rows {
                    self.lane.remove(seq);
                    self.outbox.expect(BODY);
                    self.expected
                        .push_back((Self::row(*seq, *attempts), plan.retreats));
                }
                if rows.len() < plan.rows {
                    assert!(self.outbox.leave_lane().is_some());
                    assert!(self.lane.is_empty());
                }
            }
        } else {
            self.lane_due = None;
        }
        self.outbox.refill_ended();
    }

    fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        let state = if paused {
            EndpointState::Paused
        } else {
            EndpointState::Active
        };
        self.outbox.replace(record(state, self.kind));
        if paused {
            self.give_all_back();
            self.lane_due = None;
        } else {
            self.outbox.forgive();
            self.lane_due = Some(self.now);
            let steps = self.outbox.wake();
            self.follow(steps);
        }
    }

    fn take_out(&mut self) {
        let any = self.random.random_range(0..=self.sent);
        let claim = self.waiting.front().copied().unwrap_or(any);
        let waited = self.waiting.iter().position(|seq| *seq == claim);
        assert_eq!(self.outbox.take_out(claim), waited.is_some());
        if let Some(at) = waited {
            self.waiting.remove(at);
            self.done.insert(claim);
            // Its outcome would have set when the lane is next tried.
            self.lane_due = self.lane_due.or(Some(self.now));
        }
    }

    fn pass_time(&mut self, by: i64) {
        self.now += by;
        let due: Vec<i64> = self
            .retries
            .iter()
            .filter(|(_, (at, _))| *at <= self.now)
            .map(|(seq, _)| *seq)
            .collect();
        for seq in due {
            let (_, attempts) = self.retries.remove(&seq).expect("it was found above");
            self.add_delivery(seq, attempts);
        }
        if self.lane_due.is_some_and(|at| at <= self.now) && !self.paused {
            self.refill(true);
        }
    }

    fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..25 => {
                let burst = if self.random.random_range(0..20) == 0 {
                    300
                } else {
                    1
                };
                for _ in 0..burst {
                    self.sent += 1;
                    self.add_delivery(self.sent, 0);
                }
            }
            25..40 => self.hand_over(),
            40..60 => self.work(),
            60..75 => self.end_attempt(None),
            75..80 => {
                let symptoms = [
                    Symptom::Event,
                    Symptom::Overload,
                    Symptom::Down,
                    Symptom::Throttle,
                ];
                let symptom = symptoms[self.random.random_range(0..symptoms.len())];
                self.end_attempt(Some(symptom));
            }
            80 => self.put_back(),
            81..90 => self.store_outcome(),
            90..93 if self.refill_asked => self.refill(false),
            93 if self.kind == Kind::Shared => self.add_elsewhere(),
            94 => self.take_out(),
            98 if self.kind == Kind::Shared => self.give_way(),
            95 if !self.paused => self.set_paused(true),
            96..98 if self.paused => self.set_paused(false),
            _ => {
                let by = self.random.random_range(0..10_000);
                self.pass_time(by);
            }
        }
    }

    fn check(&mut self, before: Lane) {
        let state = self.outbox.state.lock();
        if before != state.lane {
            self.changes.insert((before, state.lane));
        }
        let waiting: Vec<i64> = state.queue.rows.iter().map(|row| row.event.seq).collect();
        assert_eq!(waiting, self.waiting.iter().copied().collect::<Vec<_>>());
        assert_eq!(state.queue.expected, self.expected.len());
        assert_eq!(
            state.queue.bytes,
            (self.waiting.len() + self.expected.len()) * BODY
        );
        assert_eq!(state.returning, self.returning.len());
        assert_eq!(state.workers.count, self.workers.len() + self.hands.len());
        assert!(state.lane != Lane::Stopped || state.health.backoff.failures > 0);
        drop(state);
        let held = self.expected.len() + self.waiting.len() + self.hands.len();
        assert_eq!(self.memory.held(), held + self.returning.len());
        let places = held + self.returning.len() + self.lane.len() + self.retries.len();
        assert_eq!(
            places + self.done.len(),
            usize::try_from(self.sent).unwrap()
        );
    }

    fn lane_now(&self) -> Lane {
        self.outbox.state.lock().lane
    }

    /// Runs until everything is delivered, now that the receiver is well.
    fn finish(&mut self) {
        if self.paused {
            self.set_paused(false);
        }
        for _ in 0..100_000 {
            let before = self.lane_now();
            if self.done.len() == usize::try_from(self.sent).unwrap() {
                return;
            }
            self.hand_over();
            self.work();
            self.end_attempt(None);
            self.store_outcome();
            if self.refill_asked {
                self.refill(false);
            }
            self.check(before);
            self.pass_time(50);
        }
        panic!(
            "{} of {} are done, the lane is {:?} with {} rows due at {:?}",
            self.done.len(),
            self.sent,
            self.lane_now(),
            self.lane.len(),
            self.lane_due.map(|at| at - self.now)
        );
    }
}

/// A case that random steps do not reach: a lane in trouble becomes empty.
fn the_only_delivery_is_canceled_in_trouble(kind: Kind) -> World {
    let mut world = World::new(0, kind);
    let steps: [fn(&mut World); 9] = [
        |world| {
            world.sent = 1;
            world.add_delivery(1, 0);
        },
        |world| {
            if world.refill_asked {
                world.refill(false);
            }
        },
        World::hand_over,
        World::work,
        |world| world.end_attempt(Some(Symptom::Down)),
        World::store_outcome,
        |world| world.pass_time(10_000),
        World::hand_over,
        |world| {
            world.take_out();
            world.pass_time(0);
        },
    ];
    for step in steps {
        let before = world.lane_now();
        step(&mut world);
        world.check(before);
    }
    assert_eq!(world.done.len(), 1, "it was still waiting");
    world
}

#[test]
fn in_every_history_each_delivery_is_at_one_place_and_gets_through() {
    let mut changes = BTreeSet::new();
    for kind in [Kind::Plain, Kind::Shared] {
        changes.append(&mut the_only_delivery_is_canceled_in_trouble(kind).changes);
    }
    for seed in 0..80 {
        let kind = match seed % 4 {
            0 => Kind::Ordered,
            1 => Kind::Shared,
            _ => Kind::Plain,
        };
        let mut world = World::new(seed, kind);
        for _ in 0..500 {
            let before = world.lane_now();
            world.step();
            world.check(before);
        }
        world.finish();
        if kind != Kind::Plain {
            assert!(world.first_arrivals.is_sorted(), "seed {seed}");
        }
        changes.append(&mut world.changes);
    }
    let all = BTreeSet::from([
        (Lane::None, Lane::Flowing),
        (Lane::None, Lane::Stopped),
        (Lane::Flowing, Lane::Stopped),
        (Lane::Stopped, Lane::Flowing),
        (Lane::Flowing, Lane::None),
        (Lane::Stopped, Lane::None),
        (Lane::Flowing, Lane::Kept),
        (Lane::Stopped, Lane::Kept),
        (Lane::Kept, Lane::Flowing),
        (Lane::Kept, Lane::Stopped),
    ]);
    assert_eq!(changes, all, "every transition happens, and no other");
}

/// Another engine adds to an empty lane when so much is in memory that nothing more is loaded for now: the lane's
/// due time is then cleared, and only memory comes back to it.
#[test]
fn a_lane_that_is_due_while_much_waits_in_memory_is_loaded_from_later() {
    let kept = record(EndpointState::Active, Kind::Shared);
    let memory = Arc::<Memory>::default();
    let outbox = Outbox::new(kept, Some(Backoff::default()), memory);
    let moment = Moment {
        now: 0,
        is_stopping: false,
    };
    let mut seqs = 0..;
    let mut workers = 0;
    let mut load = |rows: usize| {
        let plan = outbox.plan_refill().unwrap();
        assert!(plan.rows >= rows, "{plan:?}");
        for seq in seqs.by_ref().take(rows) {
            outbox.expect(BODY);
            let accepted = outbox.accept(World::row(seq, 0), plan.retreats, moment);
            workers += accepted.unwrap().starts;
        }
        outbox.refill_ended();
        plan.rows
    };
    let whole = load(LOADS_FROM_SERVER.rows);
    load(whole - 1);
    assert_eq!(outbox.leave_lane(), Some(false));
    assert_eq!(outbox.plan_refill(), None);
    outbox.refill_ended();

    assert_eq!(workers, 1);
    let places = Arc::new(Places::new(64));
    let mut refills = 0;
    loop {
        let (next, steps) = outbox.next(&places, Wake::Free, moment);
        refills += usize::from(steps.refill);
        match next {
            WorkerStep::Deliver(taken) => drop(taken),
            WorkerStep::End => break,
            WorkerStep::WaitUntil(_) | WorkerStep::WaitForPlace(_) => panic!("there is a place"),
        }
    }
    assert_eq!(refills, 1);
}
