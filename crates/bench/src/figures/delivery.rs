//! Sustained delivery: store → deliver → record, beside a loop that only posts.

use serde::Serialize;

use super::bench::Bench;
use crate::{
    load::{AHEAD, Closed, Order, median},
    machine::Commits,
    report::{Check, Content, rate},
    steps::{Bare, BareLoop, Sustained, in_own_process},
};

/// At least so much of the bare loop's rate.
const RATIO_MIN: f64 = 0.5;
/// Requests in flight to one endpoint unless it says otherwise.
const IN_FLIGHT: usize = webhooks_core::IN_FLIGHT_DEFAULT as usize;

/// An endpoint so far behind is served from its lane in the store, not from memory.
const BEHIND: u64 = 20_000;

#[derive(Serialize)]
struct Case {
    name: &'static str,
    endpoints: usize,
    in_flight: usize,
    #[serde(skip)]
    order: Order,
    ahead: u64,
    bare: Vec<BareLoop>,
    engine: Vec<Closed>,
}

impl Case {
    fn new(name: &'static str, endpoints: usize, order: Order, ahead: u64) -> Self {
        let each = if order == Order::Kept { 1 } else { IN_FLIGHT };
        Self {
            name,
            endpoints,
            in_flight: endpoints * each,
            order,
            ahead,
            bare: Vec::new(),
            engine: Vec::new(),
        }
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
            let bare = Bare {
                port: bench.port(),
                in_flight: case.in_flight,
                time: bench.settings.time(),
            };
            case.bare.push(in_own_process(&bare).await?);
            let step = Sustained {
                database: bench.database(&format!("{index}-{round}")),
                port: bench.port(),
                name: "e".to_owned(),
                endpoints: case.endpoints,
                known: false,
                order: case.order,
                ahead: case.ahead,
                time: bench.settings.time(),
            };
            case.engine.push(in_own_process(&step).await?);
        }
    }
    Ok(content(&cases, &commits))
}

fn content(cases: &[Case], commits: &Commits) -> Content {
    let mut rows = Vec::new();
    let mut checks = Vec::new();
    for case in cases {
        let engine = median(case.engine.iter().map(|run| run.per_second));
        let bare = median(case.bare.iter().map(|run| run.per_second));
        let sum = |of: fn(&Closed) -> u64| case.engine.iter().map(of).sum::<u64>();
        let (lost, duplicates) = (sum(|run| run.lost), sum(|run| run.duplicates));
        let out_of_order = sum(|run| run.out_of_order);
        let ordered = case.order == Order::Kept;
        let engine_cpu = median(case.engine.iter().map(|run| run.cpu_us_per_delivery));
        let bare_cpu = median(case.bare.iter().map(|run| run.cpu_us_per_request));
        rows.push(vec![
            case.name.to_owned(),
            case.in_flight.to_string(),
            rate(engine),
            rate(bare),
            format!("{:.2}", engine / bare),
            format!("{engine_cpu:.1}"),
            format!("{bare_cpu:.1}"),
            rate(sum(|run| run.deliveries) as f64),
            lost.to_string(),
            duplicates.to_string(),
            if ordered {
                out_of_order.to_string()
            } else {
                "free".to_owned()
            },
        ]);
        checks.push(Check::new(
            format!("{}: part of the bare loop's rate", case.name),
            format!("≥ {RATIO_MIN}"),
            format!("{:.2}", engine / bare),
            engine / bare >= RATIO_MIN,
        ));
        let wrong = lost + duplicates + if ordered { out_of_order } else { 0 };
        checks.push(Check::new(
            format!("{}: lost, duplicated, out of promised order", case.name),
            "0",
            wrong.to_string(),
            wrong == 0,
        ));
    }
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
        columns: [
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
        .to_vec(),
        rows,
        checks,
        measured: serde_json::json!({ "cases": cases, "commits_per_second": commits.per_second() }),
    }
}
