//! The options of the benchmark.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

use crate::{name::Name, part::Part};

/// How long a snapshot is held open during a steady load.
const SNAPSHOT_MINUTES: u64 = 10;

/// Runs the figures and prints a table for each; each figure is kept as JSON.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
pub(crate) struct Settings {
    /// The figures to run; all of them unless some are named.
    #[arg(value_enum)]
    named: Vec<Name>,
    /// A rehearsal of a few minutes: one second per measurement, with a small backlog and little
    /// growth. Its numbers are not worth keeping.
    #[arg(long)]
    short: bool,
    /// Seconds per measurement [default: 10, with --short 1]
    #[arg(long)]
    seconds: Option<u64>,
    /// How often measurements that are compared are repeated, in turn [default: 5, with --short 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Number of deliveries in the backlog [default: 1000000, with --short 20000]
    #[arg(long)]
    backlog: Option<usize>,
    /// Number of dead endpoints that they are for [default: 1000, with --short 100]
    #[arg(long)]
    dead_endpoints: Option<usize>,
    /// Number of endpoints after growth [default: 100000, with --short 2000]
    #[arg(long)]
    grown_endpoints: Option<usize>,
    /// Number of finished deliveries after growth, each about 450 bytes on disk [default: 10000000,
    /// with --short 100000]
    #[arg(long)]
    finished: Option<usize>,
    /// Run only these parts of the Postgres figure.
    #[arg(long = "part", value_enum)]
    parts: Vec<Part>,
    /// With more than 1, the Postgres figure also measures this many engines on one database.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// The Postgres figure also measures a steady load for this many minutes while a snapshot is
    /// held open [default: 10, with --short a few seconds]
    #[arg(long, value_name = "MINUTES", num_args = 0..=1, require_equals = true)]
    snapshot: Option<Option<u64>>,
    /// Where databases are created during the run: a folder on the disk to be measured, never a
    /// tmpfs.
    #[arg(long, default_value = "target/bench")]
    pub(crate) folder: PathBuf,
    /// Where each figure's JSON is kept.
    #[arg(long, default_value = "target/bench/results")]
    pub(crate) results: PathBuf,
    /// Run nothing; print or write the figures that earlier runs have kept.
    #[arg(long)]
    no_run: bool,
    /// Print the tables of all kept figures as Markdown.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Write these tables between the markers of this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// The revision being measured, which is kept with the figures.
    #[arg(long, default_value = "unknown")]
    pub(crate) revision: String,
}

impl Settings {
    pub(crate) fn figures(&self) -> Vec<Name> {
        match (self.no_run, self.named.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => Name::ALL.to_vec(),
            (false, false) => self.named.clone(),
        }
    }

    fn or<T>(&self, asked: Option<T>, full: T, short: T) -> T {
        asked.unwrap_or(if self.short { short } else { full })
    }

    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.or(self.seconds, 10, 1))
    }

    pub(crate) fn rounds(&self) -> usize {
        self.or(self.rounds, 5, 1).max(1)
    }

    pub(crate) fn backlog(&self) -> usize {
        self.or(self.backlog, 1_000_000, 20_000)
    }

    pub(crate) fn dead_endpoints(&self) -> usize {
        self.or(self.dead_endpoints, 1_000, 100).max(1)
    }

    pub(crate) fn grown_endpoints(&self) -> usize {
        self.or(self.grown_endpoints, 100_000, 2_000)
    }

    pub(crate) fn finished(&self) -> usize {
        self.or(self.finished, 10_000_000, 100_000)
    }

    pub(crate) fn parts(&self) -> Vec<Part> {
        if !self.parts.is_empty() {
            return self.parts.clone();
        }
        let mut parts = Part::USUAL.to_vec();
        parts.extend((self.nodes > 1).then_some(Part::Nodes));
        parts.extend(self.snapshot.map(|_| Part::Snapshot));
        parts
    }

    /// The number of engines on one database.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.max(1)
    }

    /// How long a snapshot is held open.
    pub(crate) fn snapshot(&self) -> Duration {
        match (self.snapshot.flatten(), self.short) {
            (Some(minutes), _) => Duration::from_secs(60 * minutes),
            (None, false) => Duration::from_secs(60 * SNAPSHOT_MINUTES),
            (None, true) => self.time() * 10,
        }
    }

    pub(crate) fn is_short(&self) -> bool {
        self.short
    }
}
