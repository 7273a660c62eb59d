//! How much gets through to an endpoint that fails at times.

use super::bench::Bench;
use crate::{
    load::median,
    report::{Check, Content, rate},
    steps::{Failing, GotThrough, in_own_process},
};

/// How many requests in a hundred fail, and the fraction of the healthy rate that is required.
const CASES: [(u64, Option<f64>); 4] = [(0, None), (5, Some(0.8)), (20, Some(0.5)), (50, None)];

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let mut runs: [Vec<GotThrough>; CASES.len()] = Default::default();
    for round in 0..bench.settings.rounds() {
        for ((percent, _), runs) in CASES.iter().zip(&mut runs) {
            let fresh = bench.fresh(&format!("{percent}-{round}"))?;
            let step = Failing {
                store: fresh.store.clone(),
                port: bench.port(),
                percent: *percent,
                time: bench.settings.time(),
            };
            runs.push(in_own_process(&step).await?);
        }
    }
    Ok(content(&runs))
}

fn content(runs: &[Vec<GotThrough>; CASES.len()]) -> Content {
    let rate_of = |runs: &[GotThrough]| median(runs.iter().map(|run| run.per_second));
    let healthy = rate_of(&runs[0]);
    let mut rows = Vec::new();
    let mut checks = Vec::new();
    for ((percent, least), runs) in CASES.iter().zip(runs) {
        let sum = |of: fn(&GotThrough) -> u64| runs.iter().map(of).sum::<u64>();
        let (through, lost) = (rate_of(runs), sum(|run| run.lost));
        let ratio = through / healthy;
        rows.push(vec![
            format!("{percent} %"),
            rate(through),
            format!("{ratio:.2}"),
            rate(sum(|run| run.requests) as f64),
            rate(sum(|run| run.delivered) as f64),
            lost.to_string(),
        ]);
        if let Some(least) = least {
            checks.push(Check::new(
                format!("{percent} % of 503s: part of the healthy rate"),
                format!("≥ {least}"),
                format!("{ratio:.2}"),
                ratio >= *least,
            ));
        }
        checks.push(Check::new(
            format!("{percent} % of 503s: lost"),
            "0",
            lost.to_string(),
            lost == 0,
        ));
    }
    Content {
        title: "Error rate against throughput".to_owned(),
        about: format!(
            "Events a second that get through to one endpoint which answers some of its requests, at \
             random, with 503, with the default settings. Callers send as fast as requests arrive, \
             whatever those are answered; what failed is tried again after 5 s. Medians of {} runs \
             each, in turns.",
            runs[0].len(),
        ),
        columns: [
            "503s",
            "through/s",
            "of healthy",
            "requests",
            "delivered",
            "lost",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        checks,
        further: Vec::new(),
        measured: serde_json::json!({ "runs": runs }),
    }
}
