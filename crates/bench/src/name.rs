//! The names of the figures.

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
    /// The cost of a delivery for an engine with little to do, and of an idle engine
    Quiet,
    /// A healthy endpoint next to troubled ones
    Isolation,
    /// Throughput to an endpoint that fails at times
    Failing,
    /// A million pending deliveries to dead endpoints
    Backlog,
    /// Many endpoints and ten million finished deliveries
    Growth,
    /// The engine on Postgres, compared with the bare loop and pgbench
    Postgres,
    /// polis compared with a bare axum handler
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
