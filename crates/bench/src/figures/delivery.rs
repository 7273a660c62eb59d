//! Sustained delivery: store → deliver → record, compared with a loop that only posts.

use serde::Serialize;

use super::bench::Bench;
use crate::{
    load::{AHEAD, Closed, Order, median},
    machine::Commits,
    report::{Check, Content, rate},
    steps::{Bare, BareLoop, Owner, Sustained, in_own_process},
};

/// The minimum share of the bare loop's rate: for the usual load, one endpoint that keeps up, and
/// otherwise.
const USUAL_RATIO_MIN: f64 = 0.8;
const RATIO_MIN: f64 = 0.5;
/// The default limit on requests in flight to one endpoint.
const IN_FLIGHT: usize = webhooks_core::IN_FLIGHT_DEFAULT as usize;

/// An endpoint this far behind is served from its lane in the store, not from memory.
const BEHIND: u64 = 20_000;

/// One load, and its results in each round.
#[derive(Serialize)]
pub(super) struct Case {
    pub(super) name: &'static str,
    endpoints: usize,
    in_flight: usize,
    #[serde(skip)]
    order: Order,
    ahead: u64,
    /// Whether the engine being measured sends to endpoints that another engine owns.
    owned_elsewhere: bool,
    bare: Vec<BareLoop>,
    engine: Vec<Closed>,
}

impl Case {
    pub(super) fn new(name: &'static str, endpoints: usize, order: Order, ahead: u64) -> Self {
        let each = if order == Order::Kept { 1 } else { IN_FLIGHT };
        Self {
            name,
            endpoints,
            in_flight: endpoints * each,
            order,
            ahead,
            owned_elsewhere: false,
            bare: Vec::new(),
            engine: Vec::new(),
        }
    }

    /// The same with endpoints that another engine owns.
    pub(super) fn owned_elsewhere(mut self) -> Self {
        self.owned_elsewhere = true;
        self
    }

    /// Measures one round: the bare loop, then the engine on a new store, which `unique` names.
    pub(super) async fn measure(&mut self, bench: &Bench<'_>, unique: &str) -> anyhow::Result<()> {
        let bare = Bare {
            port: bench.port(),
            in_flight: self.in_flight,
            time: bench.settings.time(),
        };
        self.bare.push(in_own_process(&bare).await?);
        let fresh = bench.fresh(unique)?;
        let name = "e".to_owned();
        let _owner = if self.owned_elsewhere {
            let owner = Owner {
                store: fresh.store.clone(),
                port: bench.port(),
                name: name.clone(),
                endpoints: self.endpoints,
            };
            Some(owner.start().await?)
        } else {
            None
        };
        let step = Sustained {
            store: fresh.store.clone(),
            port: bench.port(),
            name,
            endpoints: self.endpoints,
            known: self.owned_elsewhere,
            order: self.order,
            ahead: self.ahead,
            time: bench.settings.time(),
        };
        self.engine.push(in_own_process(&step).await?);
        Ok(())
    }

    fn engine(&self, of: fn(&Closed) -> f64) -> f64 {
        median(self.engine.iter().map(of))
    }

    fn sum(&self, of: fn(&Closed) -> u64) -> u64 {
        self.engine.iter().map(of).sum()
    }

    /// The engine's rate as a fraction of the bare loop's.
    pub(super) fn ratio(&self) -> f64 {
        self.engine(|run| run.per_second) / median(self.bare.iter().map(|run| run.per_second))
    }

    /// Processor time per delivery: of the sending process, and of the store's server.
    pub(super) fn cpu_us(&self) -> (f64, f64) {
        (
            self.engine(|run| run.cpu_us_per_delivery),
            self.engine(|run| run.server_cpu_us_per_delivery),
        )
    }

    pub(super) fn is_owned_elsewhere(&self) -> bool {
        self.owned_elsewhere
    }

    fn is_ordered(&self) -> bool {
        self.order == Order::Kept
    }

    pub(super) fn columns() -> Vec<String> {
        [
            "to",
            "in flight",
            "engine/s",
            "bare/s",
            "ratio",
            "engine CPU µs",
            "bare CPU µs",
            "deliveries",
            "lost",
            "duplicated",
            "out of order",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    pub(super) fn row(&self) -> Vec<String> {
        let bare_cpu = median(self.bare.iter().map(|run| run.cpu_us_per_request));
        let (engine_cpu, _) = self.cpu_us();
        vec![
            self.name.to_owned(),
            self.in_flight.to_string(),
            rate(self.engine(|run| run.per_second)),
            rate(median(self.bare.iter().map(|run| run.per_second))),
            format!("{:.2}", self.ratio()),
            format!("{engine_cpu:.1}"),
            format!("{bare_cpu:.1}"),
            rate(self.sum(|run| run.deliveries) as f64),
            self.sum(|run| run.lost).to_string(),
            self.sum(|run| run.duplicates).to_string(),
            if self.is_ordered() {
                self.sum(|run| run.out_of_order).to_string()
            } else {
                "free".to_owned()
            },
        ]
    }

    /// Checks that the rate is at least this fraction of the bare loop's, and that nothing went
    /// wrong.
    pub(super) fn checks(&self, ratio_min: f64) -> [Check; 2] {
        let ratio = self.ratio();
        let mut wrong = self.sum(|run| run.lost + run.duplicates);
        if self.is_ordered() {
            wrong += self.sum(|run| run.out_of_order);
        }
        [
            Check::new(
                format!("{}: part of the bare loop's rate", self.name),
                format!("≥ {ratio_min}"),
                format!("{ratio:.2}"),
                ratio >= ratio_min,
            ),
            Check::new(
                format!("{}: lost, duplicated, out of promised order", self.name),
                "0",
                wrong.to_string(),
                wrong == 0,
            ),
        ]
    }
}

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let mut cases = [
        Case::new("1 endpoint", 1, Order::Any, AHEAD),
        Case::new("10 endpoints", 10, Order::Any, AHEAD),
        Case::new("10 ordered endpoints", 10, Order::Kept, AHEAD),
        Case::new("1 endpoint, 20,000 events behind", 1, Order::Any, BEHIND),
    ];
    let commits = Commits::measure(bench.folder())?;
    for round in 0..bench.settings.rounds() {
        for (index, case) in cases.iter_mut().enumerate() {
            case.measure(bench, &format!("{index}-{round}")).await?;
        }
    }
    Ok(content(&cases, &commits))
}

fn content(cases: &[Case], commits: &Commits) -> Content {
    Content {
        title: "Sustained delivery".to_owned(),
        about: format!(
            "Events a second that are stored (SQLite, synchronous=FULL), delivered and recorded, \
             against a reqwest loop that signs and posts the same body to the same receiver with as \
             many requests in flight and keeps nothing. Callers send as fast as they may without \
             being more than {} events ahead of the receiver; the last row lets them get further \
             ahead than memory queues for one endpoint, so that its deliveries come from the store \
             again. CPU is that of the sending process, callers \
             included, in µs a delivery. Medians of {} runs each, in turns; the machine made {} \
             durable commits a second.",
            rate(AHEAD as f64),
            cases.first().map_or(0, |case| case.engine.len()),
            rate(commits.per_second()),
        ),
        columns: Case::columns(),
        rows: cases.iter().map(Case::row).collect(),
        checks: cases
            .iter()
            .enumerate()
            .flat_map(|(index, case)| {
                case.checks(if index == 0 {
                    USUAL_RATIO_MIN
                } else {
                    RATIO_MIN
                })
            })
            .collect(),
        further: Vec::new(),
        measured: serde_json::json!({ "cases": cases, "commits_per_second": commits.per_second() }),
    }
}
