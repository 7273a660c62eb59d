//! The engine on Postgres: each part is compared with its bound on the same server, in the same
//! run.
//!
//! The server is started for the purpose, with default settings except for where it is: what is
//! committed survives a crash of the machine. Every measurement gets an empty database.

mod backlog;
mod commits;
mod delivery;
mod latency;
mod nodes;
mod send;
mod snapshot;
mod table;

use anyhow::{Context, ensure};
use scratch_postgres::{Cluster, Settings};

use super::bench::Bench;
use crate::{
    machine,
    part::Part,
    report::{Content, Table},
};
use table::Tables;

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
    let settings = bench.settings;
    let other_node = settings.nodes() > 1;
    let mut tables = Tables::default();
    for part in settings.parts() {
        match part {
            Part::Delivery => delivery::measure(bench, other_node, &mut tables).await?,
            Part::Send => send::measure(bench, &mut tables).await?,
            Part::Latency => latency::measure(bench, other_node, &mut tables).await?,
            Part::Backlog => backlog::measure(bench, &mut tables).await?,
            Part::Nodes => nodes::measure(bench, settings.nodes().max(2), &mut tables).await?,
            Part::Snapshot => snapshot::measure(bench, &mut tables).await?,
        }
    }
    let Tables {
        tables,
        checks,
        measured,
    } = tables;
    let mut tables = tables.into_iter();
    let Table {
        about,
        columns,
        rows,
    } = tables
        .next()
        .context("no part of the figure was requested")?;
    Ok(Content {
        title: "Postgres".to_owned(),
        about: format!(
            "The engine on a Postgres server of this machine that is started for it, with its default settings and \
             a disk that is waited for (fsync, synchronous_commit); each measurement has an empty database, and \
             measurements that are compared run in turns ({} rounds of {} s). {about}",
            settings.rounds(),
            settings.time().as_secs(),
        ),
        columns,
        rows,
        further: tables.collect(),
        checks,
        measured: measured.into(),
    })
}
