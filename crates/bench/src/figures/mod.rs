//! The figures: one file each. A figure measures, and says whether it keeps its bounds.

mod backlog;
mod comparison;
mod delivery;
mod failing;
mod growth;
mod isolation;
mod latency;
pub(crate) mod polis;
mod storing;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use crate::{
    machine, process,
    receiver_process::ReceiverProcess,
    report::{Content, Figure},
    settings::Settings,
};

/// The figures by name, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Events stored, delivered and recorded a second
    Delivery,
    /// Events stored a second
    Storing,
    /// From send to the receiver at a fixed rate
    Latency,
    /// A healthy endpoint beside troubled ones
    Isolation,
    /// What gets through to an endpoint that fails at times
    Failing,
    /// A million deliveries owed to dead endpoints
    Backlog,
    /// Many endpoints and ten million finished deliveries
    Growth,
    /// polis against a bare axum handler
    Polis,
}

impl Name {
    pub(crate) const ALL: [Self; 8] = [
        Self::Delivery,
        Self::Storing,
        Self::Latency,
        Self::Isolation,
        Self::Failing,
        Self::Backlog,
        Self::Growth,
        Self::Polis,
    ];
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Delivery => "delivery",
            Self::Storing => "storing",
            Self::Latency => "latency",
            Self::Isolation => "isolation",
            Self::Failing => "failing",
            Self::Backlog => "backlog",
            Self::Growth => "growth",
            Self::Polis => "polis",
        };
        f.write_str(name)
    }
}

/// What a figure works with.
struct Bench<'a> {
    settings: &'a Settings,
    receiver: ReceiverProcess,
    /// On the disk that is measured; removed at the end.
    folder: tempfile::TempDir,
}

impl Bench<'_> {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn database(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.db"))
    }

    fn port(&self) -> u16 {
        self.receiver.port()
    }

    /// Bytes of a database and its write-ahead log.
    fn size_bytes(database: &Path) -> u64 {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let size = |file: &Path| std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        size(database) + size(Path::new(&log))
    }
}

/// Runs one figure.
pub(crate) async fn run(name: Name, settings: &Settings) -> anyhow::Result<Figure> {
    std::fs::create_dir_all(&settings.folder)?;
    let bench = Bench {
        settings,
        receiver: ReceiverProcess::start()?,
        folder: tempfile::tempdir_in(&settings.folder)?,
    };
    let content: Content = match name {
        Name::Delivery => delivery::measure(&bench).await?,
        Name::Storing => storing::measure(&bench).await?,
        Name::Latency => latency::measure(&bench).await?,
        Name::Isolation => isolation::measure(&bench).await?,
        Name::Failing => failing::measure(&bench).await?,
        Name::Backlog => backlog::measure(&bench).await?,
        Name::Growth => growth::measure(&bench).await?,
        Name::Polis => polis::measure(&bench).await?,
    };
    Ok(Figure {
        name: name.to_string(),
        revision: settings.revision.clone(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        machine: machine::describe(&settings.folder)?,
        load: process::load()?,
        rehearsal: settings.is_short(),
        content,
    })
}
