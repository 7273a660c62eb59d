//! `send` alone, compared with commits of a single row by as many clients.

use std::time::Duration;

use serde::Serialize;

use super::{commits::Commits, table::Tables};
use crate::{
    figures::bench::Bench,
    load::median,
    report::{Check, Table, rate},
    steps::{Storing, Target, in_own_process},
};

/// The number of callers, and the fraction of the rate of as many pgbench clients that they must
/// reach.
const CASES: [(usize, f64); 3] = [(1, 0.3), (16, 0.7), (64, 1.5)];

#[derive(Serialize)]
struct Case {
    callers: usize,
    ratio_min: f64,
    sends: Vec<f64>,
    commits: Vec<f64>,
}

pub(super) async fn measure(bench: &Bench<'_>, tables: &mut Tables) -> anyhow::Result<()> {
    let mut cases = CASES.map(|(callers, ratio_min)| Case {
        callers,
        ratio_min,
        sends: Vec::new(),
        commits: Vec::new(),
    });
    let time = (bench.settings.time() / 2).max(Duration::from_secs(1));
    for round in 0..bench.settings.rounds() {
        for case in &mut cases {
            let commits = Commits::as_many(bench, case.callers, time).await?;
            case.commits.push(commits.per_second);
            let fresh = bench.fresh(&format!("send-{}-{round}", case.callers))?;
            let step = Storing {
                store: fresh.store.clone(),
                target: Target::Paused,
                callers: case.callers,
                batch: 1,
                time,
            };
            case.sends.push(in_own_process(&step).await?);
        }
    }
    let mut rows = Vec::new();
    for case in &cases {
        let sends = median(case.sends.iter().copied());
        let commits = median(case.commits.iter().copied());
        let ratio = sends / commits;
        rows.push(vec![
            case.callers.to_string(),
            rate(sends),
            rate(commits),
            format!("{ratio:.2}"),
        ]);
        tables.checks.push(Check::new(
            format!("send, callers {}: part of pgbench's rate", case.callers),
            format!("≥ {}", case.ratio_min),
            format!("{ratio:.2}"),
            ratio >= case.ratio_min,
        ));
    }
    tables.measured("send", &cases)?;
    tables.tables.push(Table {
        about: "Events a second for which `send` has returned, each with a delivery to a paused endpoint, beside \
                transactions a second of pgbench: one row each, as many clients as callers, in turns."
            .to_owned(),
        columns: ["callers", "send/s", "pgbench/s", "ratio"].map(str::to_owned).to_vec(),
        rows,
    });
    Ok(())
}
