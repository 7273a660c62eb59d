//! What the parts of the figure of Postgres are called.

use clap::ValueEnum;

/// The parts, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Beside the bare loop
    Delivery,
    /// Beside single-row commits of pgbench
    Send,
    /// At a fixed rate
    Latency,
    /// A million deliveries owed to dead endpoints
    Backlog,
    /// Several engines on one database, see --nodes
    Nodes,
    /// Beside a snapshot that is held open, see --snapshot
    Snapshot,
}

impl Part {
    /// Those that are measured unless others are asked for.
    pub(crate) const USUAL: [Self; 4] = [Self::Delivery, Self::Send, Self::Latency, Self::Backlog];
}
