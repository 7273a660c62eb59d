//! The latency from `send` to the receiver at a fixed rate, compared with the time of a commit.

use std::time::Duration;

use super::{commits::Commits, table::Tables};
use crate::{
    figures::{
        bench::{Bench, Fresh},
        latency::{columns, percentiles, row, summary},
    },
    load::Latencies,
    report::{Check, Table, ms, rate},
    steps::{LatencyAt, Owner, Rounds, in_own_process},
};

/// Events a second.
const PER_SECOND: u64 = 500;
/// How far p99 may exceed the server's own p99 of a commit.
const P99_MS: f64 = 10.0;
/// Commits a second of a lone client during each run. A disk that stalls for a moment holds up
/// both; commits before and after a run could not tell that from a fault of the engine. A tenth of
/// the events' rate, so that they add little to what is measured.
const COMMITS_PER_SECOND: u32 = 50;
/// Commits begin with the run, whose process starts and warms up before anything counts.
const COMMITS_LEAD: Duration = Duration::from_secs(2);
/// The prefix of the paths of endpoints whose latency is measured.
const TIMED: &str = "timed";

/// One way from `send` to the receiver.
struct Case {
    name: &'static str,
    owned_elsewhere: bool,
    measured: Rounds,
    commits: Latencies,
}

/// `other_node`: also measure an endpoint that another engine owns.
pub(super) async fn measure(
    bench: &Bench<'_>,
    other_node: bool,
    tables: &mut Tables,
) -> anyhow::Result<()> {
    let case = |name, owned_elsewhere| Case {
        name,
        owned_elsewhere,
        measured: Rounds::default(),
        commits: Latencies::default(),
    };
    let mut cases = vec![case("500 events/s", false)];
    if other_node {
        cases.push(case(
            "500 events/s to an ordered endpoint of another node",
            true,
        ));
    }
    for round in 0..bench.settings.rounds() {
        for case in &mut cases {
            case.measure(bench, round).await?;
        }
    }
    let mut rows = Vec::new();
    for case in &cases {
        rows.push(row(case.name, &case.measured));
        let mut commits = vec![
            format!("a commit, beside {}", case.name),
            rate(case.commits.len() as f64),
        ];
        commits.extend(percentiles(&case.commits));
        commits.extend([String::new(), String::new()]);
        rows.push(commits);
        let p99 = case.measured.latencies().percentile_ms(990);
        let limit = P99_MS + case.commits.percentile_ms(990);
        let wrong = case.measured.wrong();
        tables.checks.extend([
            Check::new(
                format!("{}: p99", case.name),
                format!("≤ {P99_MS} ms + p99 of a commit = {}", ms(limit)),
                ms(p99),
                p99 <= limit,
            ),
            Check::new(
                format!("{}: lost or duplicated", case.name),
                "0",
                wrong.to_string(),
                wrong == 0,
            ),
        ]);
    }
    let measured: Vec<_> = cases
        .iter()
        .map(|case| {
            serde_json::json!({
                "name": case.name,
                "latency": summary(&case.measured.latencies()),
                "commit": summary(&case.commits),
                "lost": case.measured.lost(),
                "duplicates": case.measured.duplicates(),
            })
        })
        .collect();
    tables.measured("latency", measured)?;
    tables.tables.push(Table {
        about: "From the time at which an event was meant to be sent to its arrival at the receiver, in an open \
                loop; and what a commit of one row takes a lone client of pgbench meanwhile, from when it was meant \
                to begin."
            .to_owned(),
        columns: columns(),
        rows,
    });
    Ok(())
}

impl Case {
    async fn measure(&mut self, bench: &Bench<'_>, round: usize) -> anyhow::Result<()> {
        let fresh: Fresh = bench.fresh(&format!("latency-{}-{round}", self.owned_elsewhere))?;
        let owner = if self.owned_elsewhere {
            let owner = Owner {
                store: fresh.store.clone(),
                port: bench.port(),
                name: TIMED.to_owned(),
                endpoints: 1,
            };
            Some(owner.start().await?)
        } else {
            None
        };
        let (store, time) = (fresh.store.clone(), bench.settings.time());
        let mut step = LatencyAt::new(store, bench.port(), PER_SECOND, time);
        if self.owned_elsewhere {
            step.name = format!("{TIMED}-0");
            step.known = true;
        }
        let commits = Commits::at(bench, COMMITS_PER_SECOND, COMMITS_LEAD + time);
        let (measured, commits) = tokio::try_join!(in_own_process(&step), commits)?;
        drop(owner);
        self.measured.push(measured);
        self.commits = std::mem::take(&mut self.commits).join(commits.times);
        Ok(())
    }
}
