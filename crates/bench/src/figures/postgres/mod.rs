//! The engine on Postgres: each part beside its bound on the same server, in the same run.
//!
//! The server is started for it, with default settings but for those that say where it is: what is
//! committed survives the machine. Every measurement has an empty database.

use anyhow::ensure;
use scratch_postgres::{Cluster, Settings};

use super::{bench::Bench, delivery::Case};
use crate::{
    load::{AHEAD, Order},
    machine,
    report::{Check, Content},
};

/// Processor time a delivery, at most: all of it, and that of the server.
const CPU_US_MAX: f64 = 60.0;
const SERVER_CPU_US_MAX: f64 = 28.0;
/// At least so much of the bare loop's rate.
const RATIO_MIN: f64 = 0.4;
const ORDERED_RATIO_MIN: f64 = 0.3;

/// Starts the server in the system's folder for temporary files.
pub(super) fn start_server() -> anyhow::Result<Cluster> {
    let server = Cluster::start(Settings::durable())?;
    let log = server.log_path();
    ensure!(
        machine::file_system(&log)? != "tmpfs",
        "{} is on a tmpfs, where a commit costs nothing: set TMPDIR to a folder on a disk",
        log.display()
    );
    Ok(server)
}

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let mut cases = [
        Case::new("1 endpoint", 1, Order::Any, AHEAD),
        Case::new("10 ordered endpoints", 10, Order::Kept, AHEAD),
    ];
    for round in 0..bench.settings.rounds() {
        for (index, case) in cases.iter_mut().enumerate() {
            case.measure(bench, &format!("{index}-{round}")).await?;
        }
    }
    let mut columns = Case::columns();
    columns.push("Postgres CPU µs".to_owned());
    let mut rows = Vec::new();
    let mut checks = Vec::new();
    for (case, ratio_min) in cases.iter().zip([RATIO_MIN, ORDERED_RATIO_MIN]) {
        let (sender, server) = case.cpu_us();
        let mut row = case.row();
        row.push(format!("{server:.1}"));
        rows.push(row);
        checks.extend(case.checks(ratio_min));
        for (what, us, us_max) in [
            ("processor time a delivery", sender + server, CPU_US_MAX),
            ("of it Postgres", server, SERVER_CPU_US_MAX),
        ] {
            checks.push(Check::new(
                format!("{}: {what}", case.name),
                format!("≤ {us_max} µs"),
                format!("{us:.1} µs"),
                us <= us_max,
            ));
        }
    }
    Ok(Content {
        title: "Postgres".to_owned(),
        about: format!(
            "Deliveries a second of the engine on a Postgres server of this machine, with events of 200 bytes sent \
             without a pause, beside a bare loop of the same client that signs nothing and stores nothing, in turns \
             within one run ({} rounds of {} s). The server is started for it with its default settings and a \
             disk that is waited for (fsync, synchronous_commit). Processor time is that of the sender, and of \
             all of the server's processes.",
            bench.settings.rounds(),
            bench.settings.time().as_secs(),
        ),
        columns,
        rows,
        checks,
        measured: serde_json::json!({ "delivery": cases }),
    })
}
