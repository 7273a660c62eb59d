//! `send` alone, compared with the rate of durable commits.

use serde::Serialize;

use super::bench::Bench;
use crate::{
    load::median,
    machine::Commits,
    report::{Content, rate},
    steps::{Storing, Target, in_own_process},
};

#[derive(Serialize)]
struct Case {
    callers: usize,
    batch: u64,
    nobody: Vec<f64>,
    paused: Vec<f64>,
}

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let shapes = [(1, 1), (16, 1), (64, 1), (1, 100), (1, 1_000), (16, 100)];
    let mut cases = shapes.map(|(callers, batch)| Case {
        callers,
        batch,
        nobody: Vec::new(),
        paused: Vec::new(),
    });
    let mut commits = Vec::new();
    for round in 0..bench.settings.rounds() {
        for case in &mut cases {
            commits.push(Commits::measure(bench.folder())?.per_second());
            for target in [Target::Nobody, Target::Paused] {
                let (callers, batch) = (case.callers, case.batch);
                let fresh = bench.fresh(&format!("{target:?}-{callers}-{batch}-{round}"))?;
                let step = Storing {
                    store: fresh.store.clone(),
                    target,
                    callers,
                    batch,
                    time: bench.settings.time() / 2,
                };
                let per_second = in_own_process(&step).await?;
                match target {
                    Target::Nobody => case.nobody.push(per_second),
                    Target::Paused => case.paused.push(per_second),
                }
            }
        }
    }
    Ok(content(&cases, &commits))
}

fn content(cases: &[Case], commits: &[f64]) -> Content {
    let commit_rate = median(commits.iter().copied());
    let mut rows = Vec::new();
    for case in cases {
        let nobody = median(case.nobody.iter().copied());
        let paused = median(case.paused.iter().copied());
        let call = match case.batch {
            1 => "send".to_owned(),
            batch => format!("send_all of {batch}"),
        };
        rows.push(vec![
            call,
            case.callers.to_string(),
            rate(nobody),
            rate(paused),
            rate(commit_rate),
            format!("{:.1}", nobody / commit_rate),
        ]);
    }
    Content {
        title: "Storing alone".to_owned(),
        about:
            "Events a second for which `send` or `send_all` has returned, that is, which are on \
                disk; nothing is delivered. An event to a customer without endpoints is one row; \
                with a paused endpoint it owes a delivery too. Commits are of one small row, one \
                after the other, by one connection: callers at once share a commit, so that many \
                store more events than the disk makes commits; a lone caller has one commit an \
                event and the way to the writer thread and back besides."
                .to_owned(),
        columns: [
            "call",
            "callers",
            "no endpoint",
            "paused endpoint",
            "commits/s",
            "events a commit",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        checks: Vec::new(),
        further: Vec::new(),
        measured: serde_json::json!({ "cases": cases, "commits_per_second": commits }),
    }
}
