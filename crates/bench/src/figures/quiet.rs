//! What a delivery costs an engine that has little to do, and what an idle engine costs.

use super::{
    bench::Bench,
    latency::{percentiles, summary},
};
use crate::{
    load::{Latencies, median},
    machine::commit_cpu_us,
    report::{Check, Content, ms, rate},
    steps::{Cost, Idle, Idleness, LatencyAt, Least, LeastAt, Rounds, in_own_process},
};

/// Events a second.
const PACES: [u64; 2] = [100, 500];
/// The maximum processor time per delivery, in durable commits at that pace: every event needs one, and waking up for
/// it costs most of the rest.
const COMMITS_MAX: f64 = 3.0;
/// Of what the least costs: endpoints, history, retries and limits are not for nothing.
const LEAST_MAX: f64 = 1.5;
const P50_MS: f64 = 0.6;
const P99_MS: f64 = 2.0;
/// The outbox table is checked twenty times a second, the clock once.
const IDLE_WAKEUPS_MAX: f64 = 30.0;
/// In percent of a core: for the whole engine, and for its thread that watches the outbox table.
const IDLE_CPU_PERCENT: f64 = 0.2;
const WATCH_CPU_PERCENT: f64 = 0.1;

/// What was measured at one pace, in each round.
struct Case {
    per_second: u64,
    engine: Rounds,
    least: Vec<Least>,
    /// Processor time of a durable commit in microseconds.
    commits: Vec<f64>,
}

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let mut cases = PACES.map(|per_second| Case {
        per_second,
        engine: Rounds::default(),
        least: Vec::new(),
        commits: Vec::new(),
    });
    let mut idle = Vec::new();
    let (port, time) = (bench.port(), bench.settings.time());
    for round in 0..bench.settings.rounds() {
        for case in &mut cases {
            let per_second = case.per_second;
            let fresh = bench.fresh(&format!("{per_second}-{round}"))?;
            let step = LatencyAt::new(fresh.store.clone(), port, per_second, time);
            case.engine.push(in_own_process(&step).await?);
            let folder = tempfile::tempdir_in(bench.folder())?;
            let step = LeastAt {
                folder: folder.path().to_owned(),
                port,
                per_second,
                time,
            };
            case.least.push(in_own_process(&step).await?);
            let commit = commit_cpu_us(bench.folder(), per_second, time)?;
            case.commits.push(commit);
        }
        let fresh = bench.fresh(&format!("idle-{round}"))?;
        let step = Idle {
            store: fresh.store.clone(),
            port,
            time,
        };
        idle.push(in_own_process(&step).await?);
    }
    Ok(content(&cases, &idle))
}

/// One row: what was measured, how often, what each cost, and how long it took.
fn row(name: String, cost: Cost, latencies: &Latencies) -> Vec<String> {
    let [p50, p99, p999] = percentiles(latencies);
    vec![
        name,
        rate(latencies.len() as f64),
        format!("{:.0} µs a delivery", cost.cpu_us),
        format!("{:.1} a delivery", cost.wakeups),
        p50,
        p99,
        p999,
    ]
}

fn content(cases: &[Case], idle: &[Idleness]) -> Content {
    let (mut rows, mut checks, mut measured) = (Vec::new(), Vec::new(), Vec::new());
    for case in cases {
        let name = format!("{} events/s", case.per_second);
        let latencies = case.engine.latencies();
        let cost = case.engine.median_cost();
        rows.push(row(name.clone(), cost, &latencies));
        let of_least = |what: fn(Cost) -> f64| median(case.least.iter().map(|run| what(run.cost)));
        let least = Cost {
            cpu_us: of_least(|cost| cost.cpu_us),
            wakeups: of_least(|cost| cost.wakeups),
        };
        let of_runs = case.least.iter().map(|run| run.latencies.clone());
        let least_latencies = of_runs.reduce(Latencies::join).unwrap_or_default();
        let least_name = format!("{} events/s, the least", case.per_second);
        rows.push(row(least_name, least, &least_latencies));
        let commit_us = median(case.commits.iter().copied());
        let mut row = vec![
            format!("{} durable commits/s", case.per_second),
            String::new(),
            format!("{commit_us:.0} µs a commit"),
        ];
        row.resize(7, String::new());
        rows.push(row);
        for (bound, us, of_bound_max) in [
            ("a durable commit at that pace", commit_us, COMMITS_MAX),
            ("the least", least.cpu_us, LEAST_MAX),
        ] {
            let ratio = cost.cpu_us / us;
            checks.push(Check::new(
                format!("{name}: processor time of a delivery"),
                format!("≤ {of_bound_max} × {bound}"),
                format!("{ratio:.2}×"),
                ratio <= of_bound_max,
            ));
        }
        for (which, per_thousand, limit) in [("p50", 500, P50_MS), ("p99", 990, P99_MS)] {
            let time = latencies.percentile_ms(per_thousand);
            checks.push(Check::new(
                format!("{name}: {which}"),
                format!("≤ {limit} ms"),
                ms(time),
                time <= limit,
            ));
        }
        checks.push(Check::new(
            format!("{name}: lost or duplicated"),
            "0",
            case.engine.wrong().to_string(),
            case.engine.wrong() == 0,
        ));
        measured.push(serde_json::json!({
            "per_second": case.per_second,
            "cpu_us_per_delivery": cost.cpu_us,
            "wakeups_per_delivery": cost.wakeups,
            "latency": summary(&latencies),
            "least": {
                "cpu_us_per_delivery": least.cpu_us,
                "wakeups_per_delivery": least.wakeups,
                "latency": summary(&least_latencies),
            },
            "cpu_us_per_commit": commit_us,
        }));
    }
    let of = |what: fn(&Idleness) -> f64| median(idle.iter().map(what));
    let wakeups = of(|idle| idle.wakeups_per_second);
    let (cpu, watch) = (of(|idle| idle.cpu_percent), of(|idle| idle.watch_percent));
    let mut row = vec!["idle".to_owned(), "0".to_owned()];
    row.extend([
        format!("{cpu:.3} % of a core"),
        format!("{wakeups:.1} a second"),
    ]);
    row.resize(7, String::new());
    rows.push(row);
    for (what, value, limit, unit) in [
        ("wake-ups a second", wakeups, IDLE_WAKEUPS_MAX, ""),
        ("processor time", cpu, IDLE_CPU_PERCENT, " % of a core"),
        (
            "that of the thread that watches the outbox table",
            watch,
            WATCH_CPU_PERCENT,
            " % of a core",
        ),
    ] {
        checks.push(Check::new(
            format!("idle: {what}"),
            format!("< {limit}{unit}"),
            format!("{value:.3}{unit}"),
            value < limit,
        ));
    }
    Content {
        title: "A quiet engine".to_owned(),
        about: format!(
            "Few events a second to one endpoint, in an open loop as above, and none at all. The \
             processor time is all that the kernel counts for the engine's process: the callers' \
             and the load's own included. Beside it that of a durable commit of one small row, as \
             many a second: every event waits for one, and a processor that sleeps in between makes \
             each dear. The least is a program that stores each event in one such commit, posts it \
             with the bare loop's client, and removes it in a later event's commit: no history, no \
             retries, one endpoint. Wake-ups are voluntary context switches of all threads but the one \
             that keeps the load's time. Processor time and wake-ups are medians of {} rounds, in \
             turns; an idle engine has delivered one event 3 s before.",
            idle.len(),
        ),
        columns: [
            "",
            "samples",
            "processor time",
            "wake-ups",
            "p50",
            "p99",
            "p99.9",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        checks,
        further: Vec::new(),
        measured: serde_json::json!({ "loads": measured, "idle": idle }),
    }
}
