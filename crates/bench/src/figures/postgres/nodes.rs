//! Several engines on one database, each with its own senders and endpoints.

use serde::Serialize;

use super::table::Tables;
use crate::{
    figures::bench::Bench,
    load::{AHEAD, Closed, Order, Store, median},
    receiver_process::ReceiverProcess,
    report::{Check, Table, rate},
    steps::{Sustained, in_own_process},
};

/// The maximum cost of a delivery with several engines, relative to one.
const CPU_MAX: f64 = 1.2;

/// One round of engines that ran at the same time.
#[derive(Serialize)]
struct Together {
    per_second: f64,
    /// Of all engines, including their callers, and of the server.
    cpu_us_per_delivery: f64,
    server_cpu_us_per_delivery: f64,
    wrong: u64,
}

#[derive(Serialize)]
struct Case {
    nodes: usize,
    rounds: Vec<Together>,
}

pub(super) async fn measure(
    bench: &Bench<'_>,
    nodes: usize,
    tables: &mut Tables,
) -> anyhow::Result<()> {
    // One receiver for each engine, so that no engine counts what another's received.
    let others = (1..nodes).map(|_| ReceiverProcess::start());
    let others: Vec<ReceiverProcess> = others.collect::<Result<_, _>>()?;
    let others = others.iter().map(ReceiverProcess::port);
    let ports: Vec<u16> = std::iter::once(bench.port()).chain(others).collect();
    let mut cases = [1, nodes].map(|nodes| Case {
        nodes,
        rounds: Vec::new(),
    });
    for round in 0..bench.settings.rounds() {
        for case in &mut cases {
            let fresh = bench.fresh(&format!("nodes-{}-{round}", case.nodes))?;
            let ports = ports.iter().take(case.nodes);
            case.rounds
                .push(together(bench, &fresh.store, ports).await?);
        }
    }
    let of = |case: &Case, of: fn(&Together) -> f64| median(case.rounds.iter().map(of));
    let mut rows = Vec::new();
    for case in &cases {
        rows.push(vec![
            case.nodes.to_string(),
            rate(of(case, |round| round.per_second)),
            format!("{:.1}", of(case, |round| round.cpu_us_per_delivery)),
            format!("{:.1}", of(case, |round| round.server_cpu_us_per_delivery)),
        ]);
    }
    let [one, many] = &cases;
    let ratio = of(many, |round| round.per_second) / of(one, |round| round.per_second);
    let cpu = |round: &Together| round.cpu_us_per_delivery + round.server_cpu_us_per_delivery;
    let cost = of(many, cpu) / of(one, cpu);
    let wrong: u64 = cases
        .iter()
        .flat_map(|case| &case.rounds)
        .map(|round| round.wrong)
        .sum();
    tables.checks.extend([
        Check::new(
            format!("{nodes} nodes together: part of one node's rate"),
            "≥ 1",
            format!("{ratio:.2}"),
            ratio >= 1.0,
        ),
        Check::new(
            format!("{nodes} nodes: processor time a delivery, of one node's"),
            format!("≤ {CPU_MAX}×"),
            format!("{cost:.2}×"),
            cost <= CPU_MAX,
        ),
        Check::new(
            format!("{nodes} nodes: lost or duplicated"),
            "0",
            wrong.to_string(),
            wrong == 0,
        ),
    ]);
    tables.measured("nodes", &cases)?;
    tables.tables.push(Table {
        about: "Deliveries a second of nodes that each send to an endpoint of their own, on one database: of all \
                of them together. CPU in µs a delivery."
            .to_owned(),
        columns: ["nodes", "together/s", "engines' CPU µs", "Postgres CPU µs"].map(str::to_owned).to_vec(),
        rows,
    });
    Ok(())
}

/// Runs an engine for each receiver, all at the same time.
async fn together<'a>(
    bench: &Bench<'_>,
    store: &Store,
    ports: impl Iterator<Item = &'a u16>,
) -> anyhow::Result<Together> {
    let mut engines = tokio::task::JoinSet::new();
    for (number, port) in ports.enumerate() {
        let step = Sustained {
            store: store.clone(),
            port: *port,
            name: format!("node-{number}"),
            endpoints: 1,
            known: false,
            order: Order::Any,
            ahead: AHEAD,
            time: bench.settings.time(),
        };
        engines.spawn(async move { in_own_process(&step).await });
    }
    let mut runs: Vec<Closed> = Vec::new();
    while let Some(run) = engines.join_next().await {
        runs.push(run??);
    }
    let deliveries: u64 = runs.iter().map(|run| run.deliveries).sum();
    let deliveries = deliveries as f64;
    let us = |run: &Closed| run.cpu_us_per_delivery * run.deliveries as f64;
    // Each run includes all of the server's work during its time, and they ran at the same time.
    let server_us = runs
        .iter()
        .map(|run| run.server_cpu_us_per_delivery * run.deliveries as f64);
    Ok(Together {
        per_second: runs.iter().map(|run| run.per_second).sum(),
        cpu_us_per_delivery: runs.iter().map(us).sum::<f64>() / deliveries,
        server_cpu_us_per_delivery: server_us.fold(0.0, f64::max) / deliveries,
        wrong: runs.iter().map(|run| run.lost + run.duplicates).sum(),
    })
}
