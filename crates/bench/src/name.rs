//! What the figures are called.

use std::fmt;

use clap::ValueEnum;

/// The figures by name, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Events stored, delivered and recorded a second
    Delivery,
    /// Events stored a second
    Storing,
    /// From send to the receiver at a fixed rate
    Latency,
    /// What a delivery costs an engine that has little to do, and what one costs that has nothing
    Quiet,
    /// A healthy endpoint beside troubled ones
    Isolation,
    /// What gets through to an endpoint that fails at times
    Failing,
    /// A million deliveries owed to dead endpoints
    Backlog,
    /// Many endpoints and ten million finished deliveries
    Growth,
    /// The engine on Postgres, beside the bare loop and pgbench
    Postgres,
    /// polis against a bare axum handler
    Polis,
}

impl Name {
    pub(crate) const ALL: [Self; 10] = [
        Self::Delivery,
        Self::Storing,
        Self::Latency,
        Self::Quiet,
        Self::Isolation,
        Self::Failing,
        Self::Backlog,
        Self::Growth,
        Self::Postgres,
        Self::Polis,
    ];
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Delivery => "delivery",
            Self::Storing => "storing",
            Self::Latency => "latency",
            Self::Quiet => "quiet",
            Self::Isolation => "isolation",
            Self::Failing => "failing",
            Self::Backlog => "backlog",
            Self::Growth => "growth",
            Self::Postgres => "postgres",
            Self::Polis => "polis",
        };
        f.write_str(name)
    }
}
