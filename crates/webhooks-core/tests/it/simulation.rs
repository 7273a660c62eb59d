//! Random histories on a simulated clock, drawn from a seed: whatever happens, the promises hold.
//!
//! A failing seed is printed; `SIMULATION_SEED=<seed>` runs it alone, `SIMULATION_RUNS=<n>` more of them.
#![cfg(feature = "testing")]

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use crate::world::{builder, seconds};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use webhooks_core::{
    Clock, DeliveryState, EndpointChange, EndpointId, Event, NewEndpoint, OpenError, Replay,
    ReplayOutcome, RetrySchedule, SendError, StoreError, Webhooks,
    testing::{Answer, ManualClock, Receiver},
};

/// Histories of one test run.
const RUNS: u64 = 20;
/// Steps of one history.
const STEPS: usize = 60;
/// More events than memory queues for one endpoint (1,024), and how often a step sends them.
const BURST: usize = 1_100;
const BURST_CHANCE: f64 = 0.3;
/// Endpoints more in one history of three, each of a customer of its own.
const CROWD: usize = 8;
const CROWD_CHANCE: f64 = 0.3;
/// How often a receiver is slow, and the time that passes while slow answers are waited for.
const SLOW_CHANCE: f64 = 0.05;
const SLOW_WAIT: Duration = Duration::from_secs(2);
/// Rounds of 400 s in which nothing arrives and nothing ends: far more than the longest wait.
const IDLE_ROUNDS_MAX: usize = 100;
/// Attempts that the schedule allows: one at once and five more.
const ATTEMPTS: usize = 6;

fn new_endpoint(receiver: &Receiver, ordered: bool) -> NewEndpoint {
    let schedule = RetrySchedule::new([5, 20, 60, 300, 1_200].map(seconds)).unwrap();
    NewEndpoint::new(receiver.url())
        .ordered(ordered)
        .retry(&schedule)
}

/// One customer with one endpoint.
struct Party {
    customer: String,
    id: EndpointId,
    receiver: Receiver,
    ordered: bool,
    paused: bool,
    removed: bool,
    /// In commit order.
    acknowledged: Vec<String>,
    /// Canceled while nothing was in flight, and how many requests had arrived then.
    canceled: HashMap<String, usize>,
    /// How often each event was sent again by hand.
    resent: HashMap<String, usize>,
}

impl Party {
    fn requests(&self) -> usize {
        self.receiver.event_ids().len()
    }

    fn arrivals(&self, event: &str) -> usize {
        self.receiver
            .event_ids()
            .iter()
            .filter(|id| *id == event)
            .count()
    }
}

struct Simulation {
    random: StdRng,
    clock: Arc<ManualClock>,
    file: PathBuf,
    _folder: tempfile::TempDir,
    webhooks: Option<Webhooks>,
    parties: Vec<Party>,
    sent: usize,
    restarts: usize,
    /// Transactions fail.
    fault: bool,
    /// Sends that failed with their transaction.
    refused: HashSet<String>,
    endpoints_in_memory: usize,
    /// What was done, to be read when it went wrong.
    history: Vec<String>,
}

impl Simulation {
    async fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let endpoints_in_memory = *[1, 1_000].choose(&mut random).unwrap();
        let mut simulation = Self {
            random,
            clock: Arc::default(),
            file: folder.path().join("w.db"),
            _folder: folder,
            webhooks: None,
            parties: Vec::new(),
            sent: 0,
            restarts: 0,
            fault: false,
            refused: HashSet::new(),
            endpoints_in_memory,
            history: Vec::new(),
        };
        simulation.open().await;
        let mut customers: Vec<(String, bool)> =
            [("plain", false), ("ordered", true), ("other", false)]
                .map(|(customer, ordered)| (customer.to_owned(), ordered))
                .to_vec();
        if simulation.random.random_bool(CROWD_CHANCE) {
            customers.extend((0..CROWD).map(|number| (format!("crowd{number}"), number % 5 == 0)));
        }
        for (customer, ordered) in customers {
            let receiver = Receiver::start().await.unwrap();
            receiver.clock(Arc::clone(&simulation.clock) as Arc<dyn Clock>);
            let endpoint = new_endpoint(&receiver, ordered);
            let id = simulation
                .webhooks()
                .endpoints(&customer)
                .add(endpoint)
                .await
                .unwrap()
                .id;
            simulation.parties.push(Party {
                customer,
                id,
                receiver,
                ordered,
                paused: false,
                removed: false,
                acknowledged: Vec::new(),
                canceled: HashMap::new(),
                resent: HashMap::new(),
            });
        }
        simulation
    }

    fn webhooks(&self) -> &Webhooks {
        self.webhooks.as_ref().unwrap()
    }

    async fn open(&mut self) {
        let address = format!("sqlite:{}", self.file.display());
        loop {
            match builder(&self.clock)
                .disable_after(None)
                .endpoints_in_memory(self.endpoints_in_memory)
                .open(&address)
                .await
            {
                Ok(webhooks) => {
                    self.webhooks = Some(webhooks);
                    return;
                }
                // The one before lets go of the file when its last outcome is stored.
                Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn step(&mut self) {
        let party = self.random.random_range(0..self.parties.len());
        let usable = !self.parties[party].removed;
        match self.random.random_range(0..100) {
            // While transactions fail, only what goes on by itself.
            0..60 if self.fault => self.send(party, 1).await,
            60..80 if self.fault => self.pass(),
            _ if self.fault => self.set_fault(false),
            0..40 => {
                let count = self.random.random_range(1..=5);
                self.send(party, count).await;
            }
            40 if self.random.random_bool(BURST_CHANCE) => {
                for _ in 0..2 {
                    self.send(party, BURST / 2).await;
                }
            }
            41..66 => self.pass(),
            66..74 => self.cancel(party).await,
            74..82 => self.pause_or_resume(party).await,
            82..86 => self.resend(party).await,
            86..88 => self.replay(party).await,
            88..91 if self.parties[party].ordered && usable => self.skip(party).await,
            91..93 if usable => self.update(party).await,
            93..96 => self.restart().await,
            96..98 => self.set_fault(true),
            98 if self.random.random_bool(0.3) && self.parties[party].customer == "other" => {
                self.remove(party).await;
            }
            _ => {}
        }
        // What cannot be stored stays in memory, for which draining would wait.
        if !self.fault && self.random.random_bool(0.7) {
            self.drain().await;
            self.history.push("drain".to_owned());
        }
    }

    /// Waits until all is done that can be; slow answers come as time passes.
    async fn drain(&self) {
        loop {
            let drained = self.webhooks().drain();
            if tokio::time::timeout(Duration::from_millis(20), drained)
                .await
                .is_ok()
            {
                return;
            }
            self.clock.advance(SLOW_WAIT);
        }
    }

    fn pass(&mut self) {
        let wait = *[1, 6, 25, 70, 400, 1_500].choose(&mut self.random).unwrap();
        self.clock.advance(seconds(wait));
        self.history.push(format!("{wait} s pass"));
    }

    /// From outside: transactions that write one of these tables fail, and roll back by themselves
    /// or leave that to the engine, until the fault is taken away.
    fn set_fault(&mut self, fault: bool) {
        self.history.push(format!("fault {fault}"));
        self.fault = fault;
        let table = *["event", "attempt"].choose(&mut self.random).unwrap();
        let kind = *["rollback", "abort"].choose(&mut self.random).unwrap();
        let sql = if fault {
            format!(
                "create trigger fault before insert on webhooks_{table}
                 begin select raise({kind}, 'planted'); end"
            )
        } else {
            "drop trigger fault".to_owned()
        };
        let connection = rusqlite::Connection::open(&self.file).unwrap();
        connection.busy_timeout(seconds(30)).unwrap();
        connection.execute_batch(&sql).unwrap();
    }

    async fn remove(&mut self, party: usize) {
        self.history.push(format!("remove {party}"));
        self.parties[party].removed = true;
        let Party { customer, id, .. } = &self.parties[party];
        // It may have been removed before.
        let _ = self.webhooks().endpoints(customer).remove(id).await;
    }

    /// Changes nothing, but has the endpoint read anew.
    async fn update(&mut self, party: usize) {
        self.history.push(format!("update {party}"));
        let Party { customer, id, .. } = &self.parties[party];
        let endpoints = self.webhooks().endpoints(customer);
        endpoints.edit(id, EndpointChange::new()).await.unwrap();
    }

    async fn replay(&mut self, party: usize) {
        if self.parties[party].ordered || self.parties[party].removed {
            return;
        }
        self.history.push(format!("replay {party}"));
        for event in self.parties[party].acknowledged.clone() {
            self.is_owed_again(party, event);
        }
        let outcome = *[ReplayOutcome::GivenUp, ReplayOutcome::Delivered]
            .choose(&mut self.random)
            .unwrap();
        let replay = Replay {
            outcome,
            ..Replay::default()
        };
        let Party { customer, id, .. } = &self.parties[party];
        let endpoints = self.webhooks().endpoints(customer);
        endpoints.replay(id, replay).await.unwrap();
    }

    /// The event is no longer one that must not come, and has another schedule.
    fn is_owed_again(&mut self, party: usize, event: String) {
        self.parties[party].canceled.remove(&event);
        *self.parties[party].resent.entry(event).or_default() += 1;
    }

    async fn send(&mut self, party: usize, count: usize) {
        // A receiver that fails every second time, at random: it is slowed down, not stopped.
        let half_fails = !self.parties[party].ordered && self.random.random_bool(0.2);
        let what = if half_fails {
            ", half of which fail"
        } else {
            ""
        };
        self.history.push(format!("send {count} to {party}{what}"));
        let mut events = Vec::new();
        let mut ids = Vec::new();
        for _ in 0..count {
            let id = format!("e{}", self.sent);
            self.sent += 1;
            // One probe at a time, a burst of failures would take days.
            let failures = if half_fails {
                usize::from(self.random.random_bool(0.5))
            } else if count <= 5 && self.random.random_bool(0.4) {
                self.random.random_range(1..=ATTEMPTS + 1)
            } else {
                0
            };
            let kinds: &[u16] = if half_fails {
                &[502, 503, 504]
            } else {
                &[500, 503, 400, 302, 429]
            };
            let slow = count <= 5 && self.random.random_bool(SLOW_CHANCE);
            let answers: Vec<Answer> = (0..failures)
                .map(|_| *kinds.choose(&mut self.random).unwrap())
                .chain([200])
                .map(|status| {
                    let answer = Answer::status(status);
                    if slow {
                        answer.after(SLOW_WAIT)
                    } else {
                        answer
                    }
                })
                .collect();
            self.parties[party].receiver.respond_to(&id, answers);
            let body = "x".repeat(self.random.random_range(0..2_000));
            events.push(Event::new("a", &body).id(&id));
            ids.push(id);
        }
        let customer = self.parties[party].customer.clone();
        match self.webhooks().send_all(&customer, events).await {
            Ok(_) => self.parties[party].acknowledged.extend(ids),
            Err(SendError::Store(StoreError::Database(_) | StoreError::RolledBack))
                if self.fault =>
            {
                self.refused.extend(ids);
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn any_event(&mut self, party: usize) -> Option<String> {
        self.parties[party]
            .acknowledged
            .choose(&mut self.random)
            .cloned()
    }

    async fn cancel(&mut self, party: usize) {
        self.history.push(format!("cancel {party}"));
        let Some(event) = self.any_event(party) else {
            return;
        };
        let Party { customer, id, .. } = &self.parties[party];
        if let Ok(false) = self.webhooks().endpoints(customer).cancel(id, &event).await {
            let party = &mut self.parties[party];
            let arrived = party.arrivals(&event);
            party.canceled.insert(event, arrived);
        }
    }

    async fn pause_or_resume(&mut self, party: usize) {
        self.history.push(format!("pause or resume {party}"));
        if self.parties[party].removed {
            return;
        }
        let Party {
            customer,
            id,
            paused,
            ..
        } = &self.parties[party];
        let endpoints = self.webhooks().endpoints(customer);
        if *paused {
            endpoints.resume(id).await.unwrap();
        } else {
            endpoints.pause(id).await.unwrap();
        }
        self.parties[party].paused ^= true;
    }

    async fn resend(&mut self, party: usize) {
        self.history.push(format!("resend {party}"));
        let Some(event) = self.any_event(party) else {
            return;
        };
        // A resend is a new obligation: the event is no longer one that must not come, and an
        // ordered endpoint gets it again after later ones.
        if self.parties[party].ordered || self.parties[party].removed {
            return;
        }
        self.is_owed_again(party, event.clone());
        let Party { customer, id, .. } = &self.parties[party];
        self.webhooks()
            .endpoints(customer)
            .resend(id, &event)
            .await
            .unwrap();
    }

    async fn skip(&mut self, party: usize) {
        self.history.push(format!("skip {party}"));
        let Party { customer, id, .. } = &self.parties[party];
        self.webhooks().endpoints(customer).skip(id).await.unwrap();
    }

    async fn restart(&mut self) {
        self.history.push("restart".to_owned());
        self.restarts += 1;
        let webhooks = self.webhooks.take().unwrap();
        if self.random.random_bool(0.5) {
            webhooks.shutdown(seconds(5)).await;
        }
        drop(webhooks);
        self.open().await;
    }

    /// Everything is set right, and time passes until nothing is owed.
    async fn settle(&mut self) {
        if self.fault {
            self.set_fault(false);
        }
        for party in 0..self.parties.len() {
            if self.parties[party].paused {
                self.pause_or_resume(party).await;
            }
        }
        let mut before = (0, 0);
        let mut idle_rounds = 0;
        // A burst of failures takes days, and each of them more rounds than any bound would name.
        while idle_rounds < IDLE_ROUNDS_MAX {
            self.drain().await;
            let pending = self.webhooks().pending().await.unwrap();
            if pending == 0 {
                return;
            }
            let now = (pending, self.parties.iter().map(Party::requests).sum());
            idle_rounds = if now == before { idle_rounds + 1 } else { 0 };
            before = now;
            self.clock.advance(seconds(400));
        }
        panic!(
            "{} deliveries are owed for ever:\n{}\nafter: {}",
            self.webhooks().pending().await.unwrap(),
            self.owed_rows(),
            self.history.join(", ")
        );
    }

    /// What the store says of what is owed.
    fn owed_rows(&self) -> String {
        let connection = rusqlite::Connection::open(&self.file).unwrap();
        let mut select = connection
            .prepare(
                "select 'event ' || event_seq || ' to ' || d.endpoint_key || ' ' || e.customer
                         || ' ' || e.state || ' claim ' || ifnull(claim, '-') || ' in lane ' || lane
                         || ' due ' || d.due_at || ' attempts ' || attempts
                         || '; lane due ' || ifnull(l.due_at, '-') || ' backoff '
                         || ifnull(l.backoff_until, '-') || ' failures ' || ifnull(l.failures, '-')
                     from webhooks_delivery d left join webhooks_lane l on l.endpoint_key = d.endpoint_key
                 left join webhooks_endpoint e on e.key = d.endpoint_key",
            )
            .unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<Vec<String>, _>>().unwrap().join("\n")
    }

    async fn check(&self) {
        for party in &self.parties {
            let arrived = party.receiver.event_ids();
            let mut first = HashSet::new();
            let firsts: Vec<&String> = arrived
                .iter()
                .filter(|id| first.insert((*id).clone()))
                .collect();
            for event in &party.acknowledged {
                let deliveries = self
                    .webhooks()
                    .deliveries(&party.customer, event)
                    .await
                    .unwrap();
                // An event sent after its only endpoint was removed is owed to nobody.
                let Some(delivery) = deliveries.first() else {
                    assert!(party.removed, "{event} has no delivery");
                    continue;
                };
                match &delivery.state {
                    DeliveryState::Delivered { .. } => {
                        assert!(first.contains(event), "{event} is said to be delivered");
                    }
                    DeliveryState::Ended { .. } => {}
                    state => panic!("{event} is left {state:?}"),
                }
                let attempts = party.arrivals(event);
                // A schedule for the event and one for each resend; what is in flight at a restart
                // is made again.
                let schedules = 1 + party.resent.get(event).copied().unwrap_or_default();
                assert!(
                    attempts <= schedules * ATTEMPTS + self.restarts,
                    "{event} came {attempts} times"
                );
                if self.restarts == 0 {
                    assert_eq!(delivery.attempts.len(), attempts, "{event} is on record");
                }
                if let Some(before) = party.canceled.get(event) {
                    assert_eq!(attempts, *before, "{event} came after it was canceled");
                }
            }
            for id in &arrived {
                assert!(!self.refused.contains(id), "{id} was refused, and came");
                assert!(
                    party.acknowledged.contains(id),
                    "{id} came to {} and is not theirs",
                    party.customer
                );
            }
            if party.ordered {
                let place = |id: &String| {
                    party
                        .acknowledged
                        .iter()
                        .position(|other| other == id)
                        .unwrap()
                };
                assert!(
                    firsts.is_sorted_by_key(|id| place(id)),
                    "out of order: {firsts:?}\nafter: {}",
                    self.history.join(", ")
                );
                // Retries too: only a restart makes requests again that later ones had followed.
                assert!(
                    self.restarts > 0 || arrived.is_sorted_by_key(place),
                    "out of order: {arrived:?}\nafter: {}",
                    self.history.join(", ")
                );
            }
        }
    }
}

async fn history(seed: u64) {
    let mut simulation = Simulation::start(seed).await;
    for _ in 0..STEPS {
        simulation.step().await;
    }
    simulation.settle().await;
    simulation.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_promises_hold_in_random_histories() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let (first, runs) = match number("SIMULATION_SEED") {
        Some(seed) => (seed, 1),
        None => (
            rand::random_range(0..1_000_000_000),
            number("SIMULATION_RUNS").unwrap_or(RUNS),
        ),
    };
    for seed in first..first + runs {
        if let Err(failed) = tokio::spawn(history(seed)).await {
            panic!("SIMULATION_SEED={seed} makes it happen again: {failed}");
        }
    }
}
