//! The rate and latency of an engine before and after something grew, measured in turns.

use std::time::Duration;

use serde::Serialize;

use super::{
    bench::Bench,
    latency::{percentiles, summary},
};
use crate::{
    load::{AHEAD, Closed, Order, Store, median},
    report::{Check, rate},
    steps::{LatencyAt, Rounds, Sustained, in_own_process},
};

/// How far a rate or p99 may differ from before.
const CHANGE_MAX: f64 = 0.2;

/// The measurements of one state of a database.
pub(super) struct Subject {
    pub(super) name: String,
    /// `None`: a new store for each measurement.
    store: Option<Store>,
    /// The rates of the open loops, and their results.
    latencies: Vec<(u64, Rounds)>,
    closed: Vec<Closed>,
}

impl Subject {
    pub(super) fn new(name: impl Into<String>, store: Option<Store>, rates: &[u64]) -> Self {
        let latencies = rates.iter().map(|rate| (*rate, Rounds::default()));
        Self {
            name: name.into(),
            store,
            latencies: latencies.collect(),
            closed: Vec::new(),
        }
    }

    /// Measures one round: a closed loop to `endpoints` new endpoints, and the open loops.
    pub(super) async fn measure(
        &mut self,
        bench: &Bench<'_>,
        endpoints: usize,
        round: usize,
    ) -> anyhow::Result<()> {
        // Customers and databases that no other measurement has used.
        let unique = format!(
            "{}-{round}",
            self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
        );
        let store = |what: &str| match &self.store {
            Some(store) => anyhow::Ok((store.clone(), None)),
            None => {
                let fresh = bench.fresh(&format!("{unique}-{what}"))?;
                Ok((fresh.store.clone(), Some(fresh)))
            }
        };
        let (closed_store, _fresh) = store("closed")?;
        let step = Sustained {
            store: closed_store,
            port: bench.port(),
            name: unique.clone(),
            endpoints,
            known: false,
            order: Order::Any,
            ahead: AHEAD,
            time: bench.settings.time(),
        };
        self.closed.push(in_own_process(&step).await?);
        let mut measured = Vec::with_capacity(self.latencies.len());
        for (per_second, _) in &self.latencies {
            let (store, _fresh) = store(&per_second.to_string())?;
            let time = bench.settings.time();
            let step = LatencyAt {
                name: format!("{unique}-at-{per_second}"),
                ..LatencyAt::new(store, bench.port(), *per_second, time)
            };
            measured.push(in_own_process(&step).await?);
        }
        for ((_, rounds), run) in self.latencies.iter_mut().zip(measured) {
            rounds.push(run);
        }
        Ok(())
    }

    pub(super) fn per_second(&self) -> f64 {
        median(self.closed.iter().map(|run| run.per_second))
    }

    fn wrong(&self) -> u64 {
        let open = self.latencies.iter().map(|(_, rounds)| rounds.wrong());
        let closed = self.closed.iter().map(|run| run.lost + run.duplicates);
        open.chain(closed).sum()
    }

    pub(super) fn slowest_start(&self) -> Duration {
        let starts = self
            .latencies
            .iter()
            .map(|(_, rounds)| rounds.slowest_start());
        starts.max().unwrap_or_default()
    }

    pub(super) fn peak_bytes(&self) -> u64 {
        let open = self.latencies.iter().map(|(_, rounds)| rounds.peak_bytes());
        let closed = self.closed.iter().map(|run| run.peak_bytes);
        open.chain(closed).max().unwrap_or_default()
    }

    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let first = vec![
            self.name.clone(),
            "as fast as it goes".to_owned(),
            format!("{}/s", rate(self.per_second())),
        ];
        let mut rows = vec![first];
        rows[0].extend(["", "", ""].map(str::to_owned));
        for (per_second, measured) in &self.latencies {
            let mut row = vec![
                self.name.clone(),
                format!("{} events/s", rate(*per_second as f64)),
                String::new(),
            ];
            row.extend(percentiles(&measured.latencies()));
            rows.push(row);
        }
        rows
    }

    pub(super) fn columns() -> Vec<String> {
        ["", "load", "delivered", "p50", "p99", "p99.9"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Checks that this is hardly worse than `before`.
    pub(super) fn checks(&self, before: &Self) -> Vec<Check> {
        let part = self.per_second() / before.per_second();
        let mut checks = vec![Check::new(
            format!("{}: part of the rate", self.name),
            format!("≥ {}", 1.0 - CHANGE_MAX),
            format!("{part:.2}"),
            part >= 1.0 - CHANGE_MAX,
        )];
        for ((per_second, after), (_, before)) in self.latencies.iter().zip(&before.latencies) {
            let part = after.median_p99_ms() / before.median_p99_ms();
            checks.push(Check::new(
                format!(
                    "{}: p99 at {} events/s (median of the rounds), of that before",
                    self.name,
                    rate(*per_second as f64)
                ),
                format!("≤ {}×", 1.0 + CHANGE_MAX),
                format!("{part:.2}×"),
                part <= 1.0 + CHANGE_MAX,
            ));
        }
        let wrong = self.wrong() + before.wrong();
        checks.push(Check::new(
            format!("{}: lost or duplicated", self.name),
            "0",
            wrong.to_string(),
            wrong == 0,
        ));
        checks
    }

    pub(super) fn summary(&self) -> Summary<'_> {
        let latencies = self.latencies.iter();
        Summary {
            name: &self.name,
            closed: &self.closed,
            open: latencies
                .map(|(per_second, run)| {
                    serde_json::json!({
                        "per_second": per_second,
                        "latency": summary(&run.latencies()),
                        "first_delivery_ms": run.slowest_start().as_secs_f64() * 1e3,
                        "peak_bytes": run.peak_bytes(),
                        "median_p99_ms": run.median_p99_ms(),
                    })
                })
                .collect(),
        }
    }
}

/// The measurements, for the JSON.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    name: &'a str,
    closed: &'a [Closed],
    open: Vec<serde_json::Value>,
}
