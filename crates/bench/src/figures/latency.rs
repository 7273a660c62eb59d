//! The latency from `send` to the receiver, in an open loop.

use super::bench::Bench;
use crate::{
    load::Latencies,
    machine::Commits,
    report::{Check, Content, ms, rate},
    steps::{LatencyAt, Rounds, in_own_process},
};

/// How far p99 may exceed the machine's own p99 of a durable commit.
const P99_MS: f64 = 5.0;
/// The same for p99.9: a checkpoint on the writer's thread must not show.
const P999_MS: f64 = 20.0;
/// Events a second.
pub(super) const RATES: [u64; 2] = [500, 2_000];

struct Case {
    per_second: u64,
    commits: Commits,
    measured: Rounds,
}

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let mut cases = RATES.map(|per_second| Case {
        per_second,
        commits: Commits::default(),
        measured: Rounds::default(),
    });
    for round in 0..bench.settings.rounds() {
        for case in &mut cases {
            let fresh = bench.fresh(&format!("{}-{round}", case.per_second))?;
            let (store, time) = (fresh.store.clone(), bench.settings.time());
            let step = LatencyAt::new(store, bench.port(), case.per_second, time);
            let before = Commits::measure(bench.folder())?;
            case.measured.push(in_own_process(&step).await?);
            let after = Commits::measure(bench.folder())?;
            case.commits = std::mem::take(&mut case.commits).join(before).join(after);
        }
    }
    Ok(content(&cases))
}

fn content(cases: &[Case]) -> Content {
    let mut rows = Vec::new();
    let mut checks = Vec::new();
    for case in cases {
        let name = format!("{} events/s", rate(case.per_second as f64));
        rows.push(row(&name, &case.measured));
        let mut row = vec![
            format!("a durable commit, beside {name}"),
            rate(case.commits.times.len() as f64),
        ];
        row.extend(percentiles(&case.commits.times));
        row.extend(["".to_owned(), "".to_owned()]);
        rows.push(row);
        for (what, per_thousand, beyond) in [("p99", 990, P99_MS), ("p99.9", 999, P999_MS)] {
            let measured = case.measured.latencies().percentile_ms(per_thousand);
            let limit = beyond + case.commits.times.percentile_ms(per_thousand);
            checks.push(Check::new(
                format!("{name}: {what}"),
                format!("≤ {beyond} ms + {what} of a commit = {}", ms(limit)),
                ms(measured),
                measured <= limit,
            ));
        }
        let wrong = case.measured.wrong();
        checks.push(Check::new(
            format!("{name}: lost or duplicated"),
            "0",
            wrong.to_string(),
            wrong == 0,
        ));
    }
    Content {
        title: "Latency from send to receiver".to_owned(),
        about:
            "An open loop: events are sent at fixed times whether or not those before are done, \
                and each latency counts from the time at which the event was meant to be sent to \
                its arrival at the receiver (no coordinated omission). Beside it what one durable \
                commit of this machine takes, measured before and after each run: every latency \
                contains at least one, and the wait for the one before."
                .to_owned(),
        columns: columns(),
        rows,
        checks,
        further: Vec::new(),
        measured: serde_json::json!(
            cases
                .iter()
                .map(|case| {
                    serde_json::json!({
                        "per_second": case.per_second,
                        "latency": summary(&case.measured.latencies()),
                        "commit": summary(&case.commits.times),
                        "lost": case.measured.lost(),
                        "duplicates": case.measured.duplicates(),
                    })
                })
                .collect::<Vec<_>>()
        ),
    }
}

pub(super) fn columns() -> Vec<String> {
    let columns = ["", "samples", "p50", "p99", "p99.9", "lost", "duplicated"];
    columns.map(str::to_owned).to_vec()
}

/// The table row of one open loop.
pub(super) fn row(name: &str, measured: &Rounds) -> Vec<String> {
    let latencies = measured.latencies();
    let mut row = vec![name.to_owned(), rate(latencies.len() as f64)];
    row.extend(percentiles(&latencies));
    row.extend([
        measured.lost().to_string(),
        measured.duplicates().to_string(),
    ]);
    row
}

pub(super) fn percentiles(times: &Latencies) -> [String; 3] {
    [500, 990, 999].map(|per_thousand| ms(times.percentile_ms(per_thousand)))
}

/// Percentiles, for the JSON.
pub(super) fn summary(times: &Latencies) -> serde_json::Value {
    serde_json::json!({
        "samples": times.len(),
        "p50_ms": times.percentile_ms(500),
        "p99_ms": times.percentile_ms(990),
        "p999_ms": times.percentile_ms(999),
    })
}
