//! Random histories of one to three nodes on one schema, drawn from a seed: nodes are cut off, declared
//! dead, killed, ended and started, transactions fail or lose their connection, and whatever happens the
//! promises hold.
//!
//! A failing seed is printed; `SIMULATION_SEED=<seed>` runs it alone, `SIMULATION_RUNS=<n>` more of them.

mod acts;
mod again;
mod app;
mod check;
mod faults;
mod member;
mod party;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use scratch_postgres::Database;
use tokio::time::Instant;
use webhooks_core::{
    Event, SendError, StoreError,
    testing::{Answer, ManualClock},
};

use crate::world::{fault::Fault, seconds};
use again::MayComeAgain;
use app::AppTransaction;
use member::{Bounds, Member, SCHEMA};
use party::{Kind, Party};

/// Histories of one test run.
const RUNS: u64 = 5;
/// Steps of one history.
const STEPS: usize = 40;
/// More than a load takes of a lane, and how often so many are sent at once.
const BURST: usize = 1_100;
const BURST_CHANCE: f64 = 0.02;
/// Endpoints more in one history of three, each of a customer of its own, and how few requests a node may have
/// in flight then.
const CROWD: usize = 8;
const CROWD_CHANCE: f64 = 0.3;
const CONNECTIONS: [usize; 3] = [1, 2, 8];
/// The party that is removed in some histories, and how often a step does.
const REMOVABLE: usize = 3;
const REMOVE_CHANCE: f64 = 0.3;
/// Attempts that the schedule allows: one at once and five more.
const ATTEMPTS: usize = 6;
/// How long it is waited, in real time, until all is done that can be done now.
const DRAIN_WAIT: Duration = Duration::from_millis(20);
/// For so long nothing happens at the end, in real time, when something is owed for ever.
const IDLE_MAX: Duration = Duration::from_secs(30);

struct History {
    random: StdRng,
    clock: Arc<ManualClock>,
    database: Database,
    members: Vec<Member>,
    parties: Vec<Party>,
    fault: Option<Fault>,
    /// Of an app, open.
    transactions: VecDeque<AppTransaction>,
    sent: usize,
    opened: usize,
    /// What may have had a request made again.
    disturbances: usize,
    again: MayComeAgain,
    bounds: Bounds,
    /// What was done, to be read when it went wrong.
    story: Vec<String>,
}

impl History {
    async fn start(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let crowd = if random.random_bool(CROWD_CHANCE) {
            CROWD
        } else {
            0
        };
        let bounds = Bounds {
            endpoints_in_memory: *[1, 1_000].choose(&mut random).unwrap(),
            connections: CONNECTIONS
                .choose(&mut random)
                .copied()
                .filter(|_| crowd > 0),
        };
        let nodes = random.random_range(1..=3);
        let mut history = Self {
            random,
            clock: Arc::default(),
            database: Database::create().unwrap(),
            members: Vec::new(),
            parties: Vec::new(),
            fault: None,
            transactions: VecDeque::new(),
            sent: 0,
            opened: 0,
            disturbances: 0,
            again: MayComeAgain::default(),
            bounds,
            story: Vec::new(),
        };
        for _ in 0..nodes {
            history.open().await;
        }
        let usual = [Kind::Plain, Kind::Ordered, Kind::Narrow, Kind::Plain];
        let crowd = usual.into_iter().cycle().take(crowd);
        for kind in usual.into_iter().chain(crowd) {
            let number = history.parties.len();
            let node = &history.members[number % nodes];
            let party = Party::add(number, kind, node, &history.clock).await;
            history.parties.push(party);
        }
        history
    }

    async fn open(&mut self) {
        let member = Member::open(&self.database, &self.clock, self.bounds).await;
        self.members.push(member);
        self.opened += 1;
    }

    async fn step(&mut self) {
        let party = self.random.random_range(0..self.parties.len());
        match self.random.random_range(0..100) {
            0..34 => {
                let burst = self.random.random_bool(BURST_CHANCE);
                let count = if burst {
                    BURST
                } else {
                    self.random.random_range(1..=5)
                };
                self.send(party, count).await;
            }
            34..41 => self.begin_or_end_transaction(party).await,
            41..52 => self.pass(),
            52..55 => self.limit_or_free(party).await,
            55..59 => self.pause_or_resume(party).await,
            59..62 => self.resend(party).await,
            62 => self.replay(party).await,
            63..67 => self.cancel(party).await,
            67..70 => self.skip(party).await,
            70..73 => self.put_row(party).await,
            73 if self.random.random_bool(REMOVE_CHANCE) => self.remove(REMOVABLE).await,
            74..92 => self.disturb().await,
            92..95 => self.wait_for_reaper().await,
            _ => self.drain().await,
        }
        if self.random.random_bool(0.4) {
            self.drain().await;
        }
        self.every_row_has_a_way().await;
        self.note_in_flight();
    }

    fn pass(&mut self) {
        let wait = *[1, 6, 25, 70, 400].choose(&mut self.random).unwrap();
        self.clock.advance(seconds(wait));
        self.story.push(format!("{wait} s pass"));
    }

    /// Waits until all is done that can be, or not for long: what a node has that is cut off waits.
    async fn drain(&self) {
        for member in &self.members {
            let drained = member.webhooks.drain();
            let _ = tokio::time::timeout(DRAIN_WAIT, drained).await;
        }
    }

    fn next_id(&mut self) -> String {
        self.sent += 1;
        format!("e{}", self.sent)
    }

    async fn send(&mut self, party: usize, count: usize) {
        let node = self.random.random_range(0..self.members.len());
        // Events whose ids are ours go another way.
        let named = self.random.random_bool(0.6);
        let mut events = Vec::new();
        let mut ids = Vec::new();
        for _ in 0..count {
            let event = Event::new("a", &1);
            if !named {
                events.push(event);
                continue;
            }
            let id = self.next_id();
            let failures = if count <= 5 && self.random.random_bool(0.25) {
                self.random.random_range(1..=ATTEMPTS + 1)
            } else {
                0
            };
            let answers: Vec<Answer> = (0..failures)
                .map(|_| *[500, 503, 400, 429].choose(&mut self.random).unwrap())
                .chain([200])
                .map(Answer::status)
                .collect();
            self.parties[party].fails(&id, failures);
            self.parties[party].receiver.respond_to(&id, answers);
            events.push(event.id(&id));
            ids.push(id);
        }
        let customer = self.parties[party].customer.clone();
        let mut sent = Ok(());
        for events in events.chunks(BURST / 2) {
            if sent.is_ok() {
                let webhooks = &self.members[node].webhooks;
                let receipts = webhooks.send_all(&customer, events.to_vec()).await;
                sent = receipts.map(|receipts| {
                    if !named {
                        ids.extend(receipts.into_iter().map(|receipt| receipt.event_id));
                    }
                });
            }
        }
        self.story.push(format!(
            "send {count} to {party} on {node}: {}",
            outcome(&sent)
        ));
        self.again.sent.extend(ids.iter().cloned());
        let of = &mut self.parties[party];
        let may_be_stored = matches!(sent, Err(SendError::Store(StoreError::Unknown)));
        of.unnamed |= !named && may_be_stored;
        match sent {
            Ok(()) => of.acknowledged.extend(ids),
            Err(SendError::Store(_)) if !named => of.unknown.extend(ids),
            // Of a burst one half may be stored.
            Err(SendError::Store(_)) if count > 5 => of.unknown.extend(ids),
            Err(SendError::Store(StoreError::Unknown)) => of.unknown.extend(ids),
            Err(SendError::Store(_)) => of.refused.extend(ids),
            Err(error) => panic!("{error}"),
        }
    }

    fn acknowledge(&mut self, party: usize, event: String) {
        self.again.sent.insert(event.clone());
        self.parties[party].acknowledged.push(event);
    }

    /// Everything is set right, and time passes until nothing is owed.
    async fn settle(&mut self) {
        self.end_transactions().await;
        self.mend_fault().await;
        for member in &mut self.members {
            member.mend();
        }
        for party in 0..self.parties.len() {
            if self.parties[party].removed {
                continue;
            }
            if self.parties[party].paused {
                self.set_paused(party, false).await;
            }
            // A limit of so many a second lets one out each time that the clock is moved.
            if self.parties[party].limited {
                self.free(party).await;
            }
        }
        self.note_in_flight();
        let mut before = (0, 0);
        let mut idle_until = Instant::now() + IDLE_MAX;
        while Instant::now() < idle_until {
            self.drain().await;
            self.every_row_has_a_way().await;
            self.note_in_flight();
            let pending = self.members[0].webhooks.pending().await;
            if let Ok(0) = pending
                && !self.rows_wait()
            {
                return;
            }
            let requests = self.parties.iter().map(Party::requests).sum();
            let now = (pending.unwrap_or_default(), requests);
            if now != before {
                idle_until = Instant::now() + IDLE_MAX;
                before = now;
            }
            self.clock.advance(seconds(100));
            tokio::time::sleep(DRAIN_WAIT).await;
        }
        let rows = self.database.query(&format!(
            "select d::text, l::text from {SCHEMA}.delivery d
             left join {SCHEMA}.lane l on l.endpoint_key = d.endpoint_key limit 20"
        ));
        panic!(
            "deliveries are owed for ever:\n{}\n{}",
            rows.unwrap(),
            self.told()
        );
    }

    fn told(&self) -> String {
        format!("after: {}", self.story.join(", "))
    }
}

fn outcome<T>(sent: &Result<T, SendError>) -> String {
    match sent {
        Ok(_) => "stored".to_owned(),
        Err(error) => error.to_string(),
    }
}

async fn play(seed: u64) {
    let mut history = History::start(seed).await;
    for _ in 0..STEPS {
        history.step().await;
    }
    history.settle().await;
    history.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_promises_hold_in_random_histories_of_several_nodes() {
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
        let began = Instant::now();
        if let Err(failed) = tokio::spawn(play(seed)).await {
            panic!("SIMULATION_SEED={seed} makes it happen again: {failed}");
        }
        println!("seed {seed}: {:.1?}", began.elapsed());
    }
}
