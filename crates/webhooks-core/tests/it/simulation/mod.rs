//! Random histories on a simulated clock, drawn from a seed: whatever happens, the promises hold.
//!
//! A failing seed is printed; `SIMULATION_SEED=<seed>` runs it alone, `SIMULATION_RUNS=<n>` more of them.
#![cfg(feature = "testing")]

mod acts;
mod check;
mod ground;
mod party;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use webhooks_core::{
    Clock, Event, SendError, StoreError, Webhooks,
    testing::{Answer, ManualClock, Receiver},
};

use crate::{
    each_store::Store,
    world::{builder, fault::Meeting, seconds},
};
use ground::Ground;
use party::{Party, new_endpoint};

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
/// Connections that may be open at once: far fewer than want one, and more than ever do.
const CONNECTIONS: [usize; 2] = [4, 1_024];
/// How often a receiver is slow, and the time that passes while slow answers are waited for.
const SLOW_CHANCE: f64 = 0.05;
const SLOW_WAIT: Duration = Duration::from_secs(2);
/// Rounds of 400 s in which nothing arrives and nothing ends: far more than the longest wait.
const IDLE_ROUNDS_MAX: usize = 100;
/// Attempts that the schedule allows: one at once and five more.
const ATTEMPTS: usize = 6;

struct Simulation {
    random: StdRng,
    clock: Arc<ManualClock>,
    ground: Ground,
    webhooks: Option<Webhooks>,
    parties: Vec<Party>,
    sent: usize,
    restarts: usize,
    /// Sends that failed with their transaction.
    refused: HashSet<String>,
    endpoints_in_memory: usize,
    connections: usize,
    /// What was done, to be read when it went wrong.
    history: Vec<String>,
}

impl Simulation {
    async fn start(store: Store, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let endpoints_in_memory = *[1, 1_000].choose(&mut random).unwrap();
        let connections = *CONNECTIONS.choose(&mut random).unwrap();
        let mut simulation = Self {
            random,
            clock: Arc::default(),
            ground: Ground::new(store),
            webhooks: None,
            parties: Vec::new(),
            sent: 0,
            restarts: 0,
            refused: HashSet::new(),
            endpoints_in_memory,
            connections,
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
        let builder = || {
            builder(&self.clock)
                .disable_after(None)
                .endpoints_in_memory(self.endpoints_in_memory)
                .connections(self.connections)
        };
        self.webhooks = Some(self.ground.open(builder).await);
    }

    async fn step(&mut self) {
        let party = self.random.random_range(0..self.parties.len());
        let usable = !self.parties[party].removed;
        let fault = self.ground.has_fault();
        match self.random.random_range(0..100) {
            // While transactions fail, only what goes on by itself.
            0..60 if fault => self.send(party, 1).await,
            60..80 if fault => self.pass(),
            _ if fault => self.mend_fault().await,
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
            96..98 => self.plant_fault().await,
            98 if self.random.random_bool(0.3) && self.parties[party].customer == "other" => {
                self.remove(party).await;
            }
            _ => {}
        }
        // What cannot be stored stays in memory, for which draining would wait.
        if !self.ground.has_fault() && self.random.random_bool(0.7) {
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

    /// Transactions that write one of these tables fail, and roll back by themselves or leave that
    /// to the engine.
    async fn plant_fault(&mut self) {
        self.history.push("fault".to_owned());
        let table = *["event", "attempt"].choose(&mut self.random).unwrap();
        let kinds = [Meeting::RollsBack, Meeting::Aborts];
        let meeting = *kinds.choose(&mut self.random).unwrap();
        self.ground.plant_fault(table, meeting).await;
    }

    async fn mend_fault(&mut self) {
        self.history.push("no fault".to_owned());
        self.ground.mend_fault().await;
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
                if self.ground.has_fault() =>
            {
                self.refused.extend(ids);
            }
            Err(error) => panic!("{error}"),
        }
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
        self.mend_fault().await;
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
            self.ground.pending_rows().await,
            self.history.join(", ")
        );
    }
}

async fn history(store: Store, seed: u64) {
    let mut simulation = Simulation::start(store, seed).await;
    for _ in 0..STEPS {
        simulation.step().await;
    }
    simulation.settle().await;
    simulation.check().await;
}

async fn histories(store: Store) {
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
        if let Err(failed) = tokio::spawn(history(store, seed)).await {
            panic!("SIMULATION_SEED={seed} makes it happen again: {failed}");
        }
    }
}

mod on_a_sqlite_file {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn the_promises_hold_in_random_histories() {
        histories(Store::SqliteFile).await;
    }
}

#[cfg(feature = "postgres")]
mod on_postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn the_promises_hold_in_random_histories() {
        histories(Store::Postgres).await;
    }
}
