//! The names of the parts of the Postgres figure.

use clap::ValueEnum;

/// The parts, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Compared with the bare loop
    Delivery,
    /// Compared with single-row commits by pgbench
    Send,
    /// At a fixed rate
    Latency,
    /// A million pending deliveries to dead endpoints
    Backlog,
    /// Several engines on one database, see --nodes
    Nodes,
    /// While a snapshot is held open, see --snapshot
    Snapshot,
}

impl Part {
    /// The parts that are measured unless others are requested.
    pub(crate) const USUAL: [Self; 4] = [Self::Delivery, Self::Send, Self::Latency, Self::Backlog];
}
