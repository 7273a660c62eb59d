//! The figures, one per file. A figure measures, and reports whether its bounds are kept.

mod backlog;
mod bench;
mod comparison;
mod delivery;
mod failing;
mod growth;
mod isolation;
mod latency;
pub(crate) mod polis;
mod postgres;
mod quiet;
mod storing;

use std::time::Instant;

use bench::Bench;
use scratch_postgres::Cluster;

use crate::{
    machine,
    name::Name,
    process,
    receiver_process::ReceiverProcess,
    report::{Content, Figure},
    settings::Settings,
};

/// Runs one figure.
pub(crate) async fn run(name: Name, settings: &Settings) -> anyhow::Result<Figure> {
    std::fs::create_dir_all(&settings.folder)?;
    let bench = Bench {
        settings,
        receiver: ReceiverProcess::start()?,
        folder: tempfile::tempdir_in(&settings.folder)?,
        server: match name {
            Name::Postgres => Some(postgres::start_server()?),
            _ => None,
        },
    };
    let began = (Instant::now(), own_and_machine(&bench)?);
    let content: Content = match name {
        Name::Delivery => delivery::measure(&bench).await?,
        Name::Storing => storing::measure(&bench).await?,
        Name::Latency => latency::measure(&bench).await?,
        Name::Quiet => quiet::measure(&bench).await?,
        Name::Isolation => isolation::measure(&bench).await?,
        Name::Failing => failing::measure(&bench).await?,
        Name::Backlog => backlog::measure(&bench).await?,
        Name::Growth => growth::measure(&bench).await?,
        Name::Postgres => postgres::measure(&bench).await?,
        Name::Polis => polis::measure(&bench).await?,
    };
    let (time, (own, all)) = (began.0.elapsed(), own_and_machine(&bench)?);
    let others = (all - began.1.1) - (own - began.1.0);
    Ok(Figure {
        name: name.to_string(),
        revision: settings.revision.clone(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        machine: machine::describe(&settings.folder)?,
        load: process::load()?,
        others: Some(others.max(0.0) / time.as_secs_f64()),
        rehearsal: settings.is_short(),
        content,
    })
}

/// Processor seconds so far of the benchmark's processes, and of everything on the machine.
fn own_and_machine(bench: &Bench<'_>) -> anyhow::Result<(f64, f64)> {
    let mut own = process::family_cpu_seconds(std::process::id())?;
    if let Some(server) = bench.server.as_ref().and_then(Cluster::process) {
        own += process::family_cpu_seconds(server)?;
    }
    Ok((own, process::machine_cpu_seconds()?))
}
