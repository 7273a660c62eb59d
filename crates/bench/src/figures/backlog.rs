//! A million pending deliveries to a thousand dead endpoints, next to a healthy endpoint.

use std::time::Duration;

use super::{bench::Bench, comparison::Subject};
use crate::{
    load::Store,
    report::{Check, Content, mib, rate},
    seed,
    steps::{BuildBacklog, in_own_process},
};

const PEAK_BYTES_MAX: u64 = 150 * 1024 * 1024;
const FIRST_DELIVERY_MAX: Duration = Duration::from_secs(2);
/// Events a second to the healthy endpoint, to measure its latency.
const PER_SECOND: u64 = 500;

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let database = bench.database("backlog");
    let build = BuildBacklog {
        store: Store::Sqlite(database.clone()),
        endpoints: bench.settings.dead_endpoints(),
        deliveries: bench.settings.backlog(),
    };
    let built = in_own_process(&build).await?;
    seed::write_back(&database)?;
    let size_bytes = Bench::size_bytes(&database);
    let mut without = Subject::new("without backlog", None, &[PER_SECOND]);
    let mut with = Subject::new("with backlog", Some(build.store.clone()), &[PER_SECOND]);
    for round in 0..bench.settings.rounds() {
        without.measure(bench, 1, round).await?;
        with.measure(bench, 1, round).await?;
    }
    let first = with.slowest_start();
    let peak = with.peak_bytes();
    let mut checks = with.checks(&without);
    checks.push(Check::new(
        "most memory of the process under load, with backlog",
        format!("≤ {}", mib(PEAK_BYTES_MAX)),
        mib(peak),
        peak <= PEAK_BYTES_MAX,
    ));
    checks.push(Check::new(
        "most memory of the process that built the backlog",
        format!("≤ {}", mib(PEAK_BYTES_MAX)),
        mib(built.peak_bytes),
        built.peak_bytes <= PEAK_BYTES_MAX,
    ));
    checks.push(Check::new(
        "start-up with backlog, to the first delivery",
        format!("≤ {} s", FIRST_DELIVERY_MAX.as_secs()),
        format!("{:.2} s", first.as_secs_f64()),
        first <= FIRST_DELIVERY_MAX,
    ));
    Ok(Content {
        title: "Backlog".to_owned(),
        about: format!(
            "{} deliveries owed to {} endpoints that refuse connections, sent through `send_all` \
             by a process that then ended without a shutdown; beside them one healthy endpoint. \
             Each measurement starts an engine on that file, so that the slowest of its starts is \
             the start-up time. The database has {} ({} a delivery); a file without backlog is \
             measured in turns.",
            rate(built.owed as f64),
            rate(bench.settings.dead_endpoints() as f64),
            mib(size_bytes),
            format_args!("{} bytes", size_bytes / built.owed.max(1)),
        ),
        columns: Subject::columns(),
        rows: [without.rows(), with.rows()].concat(),
        checks,
        further: Vec::new(),
        measured: serde_json::json!({
            "built": built,
            "size_bytes": size_bytes,
            "first_delivery_ms": first.as_secs_f64() * 1e3,
            "peak_bytes": peak,
            "without": without.summary(),
            "with": with.summary(),
        }),
    })
}
