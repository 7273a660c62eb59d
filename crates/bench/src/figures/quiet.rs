//! What a delivery costs an engine that has little to do, and what an idle engine costs.

use super::{
    bench::Bench,
    latency::{percentiles, summary},
};
use crate::{
    load::median,
    machine::commit_cpu_us,
    report::{Check, Content, ms, rate},
    steps::{Cost, Idle, Idleness, LatencyAt, Rounds, in_own_process},
};

/// Events a second, and the maximum processor time per delivery, in durable commits at that pace:
/// every event needs one, and waking up for it costs most of the rest.
const CASES: [(u64, f64); 2] = [(100, 3.0), (500, 3.0)];
const P50_MS: f64 = 0.6;
const P99_MS: f64 = 2.0;
/// The outbox table is checked twenty times a second, the clock once.
const IDLE_WAKEUPS_MAX: f64 = 30.0;
/// In percent of a core: for the whole engine, and for its thread that watches the outbox table.
const IDLE_CPU_PERCENT: f64 = 0.2;
const WATCH_CPU_PERCENT: f64 = 0.1;

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let mut busy: [Rounds; CASES.len()] = Default::default();
    let mut commits: [Vec<f64>; CASES.len()] = Default::default();
    let mut idle = Vec::new();
    for round in 0..bench.settings.rounds() {
        for (((per_second, _), rounds), commits) in CASES.iter().zip(&mut busy).zip(&mut commits) {
            let fresh = bench.fresh(&format!("{per_second}-{round}"))?;
            let time = bench.settings.time();
            let step = LatencyAt::new(fresh.store.clone(), bench.port(), *per_second, time);
            rounds.push(in_own_process(&step).await?);
            commits.push(commit_cpu_us(bench.folder(), *per_second, time)?);
        }
        let fresh = bench.fresh(&format!("idle-{round}"))?;
        let step = Idle {
            store: fresh.store.clone(),
            port: bench.port(),
            time: bench.settings.time(),
        };
        idle.push(in_own_process(&step).await?);
    }
    let commits = commits.map(|rounds| median(rounds.into_iter()));
    Ok(content(&busy, &commits, &idle))
}

/// `commits`: the time of one commit at each pace, in microseconds.
fn content(
    busy: &[Rounds; CASES.len()],
    commits: &[f64; CASES.len()],
    idle: &[Idleness],
) -> Content {
    let (mut rows, mut checks, mut measured) = (Vec::new(), Vec::new(), Vec::new());
    for (((per_second, commits_max), rounds), commit_us) in CASES.iter().zip(busy).zip(commits) {
        let name = format!("{per_second} events/s");
        let latencies = rounds.latencies();
        let Cost { cpu_us, wakeups } = rounds.median_cost();
        let [p50, p99, p999] = percentiles(&latencies);
        rows.push(vec![
            name.clone(),
            rate(latencies.len() as f64),
            format!("{cpu_us:.0} µs a delivery"),
            format!("{wakeups:.1} a delivery"),
            p50,
            p99,
            p999,
        ]);
        let mut row = vec![
            format!("{per_second} durable commits/s"),
            String::new(),
            format!("{commit_us:.0} µs a commit"),
        ];
        row.resize(7, String::new());
        rows.push(row);
        let ratio = cpu_us / commit_us;
        checks.push(Check::new(
            format!("{name}: processor time of a delivery"),
            format!("≤ {commits_max} × a durable commit at that pace"),
            format!("{ratio:.2}×"),
            ratio <= *commits_max,
        ));
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
            rounds.wrong().to_string(),
            rounds.wrong() == 0,
        ));
        measured.push(serde_json::json!({
            "per_second": per_second,
            "cpu_us_per_delivery": cpu_us,
            "cpu_us_per_commit": commit_us,
            "wakeups_per_delivery": wakeups,
            "latency": summary(&latencies),
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
             each dear. Wake-ups are voluntary context switches of all threads but the one \
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
