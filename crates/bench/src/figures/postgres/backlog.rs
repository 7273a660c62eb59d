//! A million pending deliveries to a thousand dead endpoints, next to a healthy endpoint.

use super::table::Tables;
use crate::{
    figures::{bench::Bench, comparison::Subject},
    report::{Table, mib, rate},
    steps::{BuildBacklog, in_own_process},
};

/// Events a second to the healthy endpoint, to measure its latency.
const PER_SECOND: u64 = 500;

pub(super) async fn measure(bench: &Bench<'_>, tables: &mut Tables) -> anyhow::Result<()> {
    let fresh = bench.fresh("backlog")?;
    let build = BuildBacklog {
        store: fresh.store.clone(),
        endpoints: bench.settings.dead_endpoints(),
        deliveries: bench.settings.backlog(),
    };
    let built = in_own_process(&build).await?;
    // Outstanding writes, and the server's own analysis of a million new rows, would slow down the
    // next measurement.
    for statement in ["vacuum (freeze, analyze)", "checkpoint"] {
        scratch_postgres::query(&fresh.store.address(), statement)?;
    }
    let size = "select pg_database_size(current_database())";
    let size_bytes: u64 = scratch_postgres::query(&fresh.store.address(), size)?.parse()?;
    let mut without = Subject::new("without backlog", None, &[PER_SECOND]);
    let mut with = Subject::new("with backlog", Some(fresh.store.clone()), &[PER_SECOND]);
    for round in 0..bench.settings.rounds() {
        without.measure(bench, 1, round).await?;
        with.measure(bench, 1, round).await?;
    }
    tables.checks.extend(with.checks(&without));
    tables.measured(
        "backlog",
        serde_json::json!({
            "built": built,
            "size_bytes": size_bytes,
            "without": without.summary(),
            "with": with.summary(),
        }),
    )?;
    tables.tables.push(Table {
        about: format!(
            "A healthy endpoint alone, and beside {} deliveries owed to {} endpoints that refuse connections, sent \
             by a process that then ended without a shutdown. That database has {}; one without a backlog is \
             measured in turns. The slowest start of an engine on it took {:.2} s to its first delivery.",
            rate(built.owed as f64),
            rate(bench.settings.dead_endpoints() as f64),
            mib(size_bytes),
            with.slowest_start().as_secs_f64(),
        ),
        columns: Subject::columns(),
        rows: [without.rows(), with.rows()].concat(),
    });
    Ok(())
}
