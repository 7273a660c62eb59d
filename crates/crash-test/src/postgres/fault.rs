//! The kinds of faults, and how they are drawn.

use std::{fmt, str::FromStr, time::Duration};

use anyhow::bail;
use rand::{RngExt, rngs::StdRng};

/// The named places of the engine at which it is killed.
pub const PLACES: [&str; 5] = [
    "before_commit",
    "after_commit",
    "in_flight",
    "before_completion_commit",
    "after_completion_commit",
];
/// The maximum number of visits to a named place, the last of which kills.
const VISITS_MAX: u32 = 40;

/// What happens to a node, or to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A node is killed and started again; every second time the new process is killed at a named
    /// place next.
    Kill,
    /// A node is stopped by SIGSTOP, mostly for longer than its lease, and then continues.
    Stop,
    /// A node is stopped for longer than its lease, and killed soon after it continues.
    KillAfterStop,
    /// A node's connections are closed, and so are new ones for a while.
    Cut,
    /// The same, at a commit: either just after it was sent, so that its answer is lost, or just
    /// before.
    CutAtCommit,
    /// Nothing passes for a while.
    Stall,
    /// The existing connections carry nothing more, and neither side is notified.
    Silence,
    /// Postgres crashes and starts again.
    Restart,
    /// The same, when a commit has just been sent.
    RestartAtCommit,
    /// Postgres is gone, and its replica takes over, with everything that was committed if it is
    /// synchronous.
    Promote,
}

/// Whether a node that was declared dead notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// It notices, as in production.
    Kept,
    /// It continues as if it were alive.
    Removed,
}

/// Each fault with its name and its weight in the draw.
const EVERY: [(Fault, &str, u32); 10] = [
    (Fault::Kill, "kill", 40),
    (Fault::Stop, "stop", 5),
    (Fault::KillAfterStop, "kill-after-stop", 2),
    (Fault::Cut, "cut", 8),
    (Fault::CutAtCommit, "cut-at-commit", 14),
    (Fault::Stall, "stall", 6),
    (Fault::Silence, "silence", 3),
    (Fault::Restart, "restart", 10),
    (Fault::RestartAtCommit, "restart-at-commit", 10),
    (Fault::Promote, "promote", 6),
];

impl Fault {
    /// All faults that a database with or without a replica can have.
    #[must_use]
    pub fn all(has_replica: bool) -> Vec<Self> {
        let all = EVERY.iter().map(|(fault, ..)| *fault);
        all.filter(|fault| has_replica || *fault != Self::Promote)
            .collect()
    }

    /// Draws one of `among`, which must not be empty.
    #[must_use]
    pub fn draw(among: &[Self], random: &mut StdRng) -> Self {
        let weighed = EVERY.iter().filter(|(fault, ..)| among.contains(fault));
        let total: u32 = weighed.clone().map(|(.., weight)| weight).sum();
        let mut drawn = random.random_range(0..total.max(1));
        for (fault, _, weight) in weighed {
            if drawn < *weight {
                return *fault;
            }
            drawn -= weight;
        }
        Self::Kill
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = EVERY.iter().find(|(fault, ..)| fault == self);
        f.write_str(found.map_or("", |(_, name, _)| name))
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((fault, ..)) = EVERY.iter().find(|(_, name, _)| *name == text) {
            return Ok(*fault);
        }
        let names: Vec<&str> = EVERY.iter().map(|(_, name, _)| *name).collect();
        bail!("{text:?} is not one of {}", names.join(", "))
    }
}

/// How long to wait before the next fault: mostly too short for anything to recover, now and then
/// long enough for the leases of dead nodes to end.
#[must_use]
pub fn draw_wait(random: &mut StdRng) -> Duration {
    let longest = match random.random_range(0..20) {
        0..14 => 0.0..0.4,
        14..18 => 0.4..3.0,
        _ => 11.0..15.0,
    };
    Duration::from_secs_f64(random.random_range(longest))
}

/// How long a node is stopped: mostly for longer than its lease.
#[must_use]
pub fn draw_stop(random: &mut StdRng) -> Duration {
    let longest = if random.random_ratio(1, 4) {
        0.1..3.0
    } else {
        10.5..14.0
    };
    Duration::from_secs_f64(random.random_range(longest))
}

/// How long a node is stopped so that it is declared dead meanwhile, and how soon after that it is
/// killed.
#[must_use]
pub fn draw_death(random: &mut StdRng) -> (Duration, Duration) {
    (
        Duration::from_secs_f64(random.random_range(11.5..14.0)),
        Duration::from_secs_f64(random.random_range(0.1..1.5)),
    )
}

/// How long a node is without its database: mostly for less than its lease.
#[must_use]
pub fn draw_outage(random: &mut StdRng) -> Duration {
    let longest = match random.random_range(0..10) {
        0..4 => 0.0..0.1,
        4..8 => 0.1..3.0,
        _ => 8.0..13.0,
    };
    Duration::from_secs_f64(random.random_range(longest))
}

/// How long a replica receives nothing before it takes over.
#[must_use]
pub fn draw_lag(random: &mut StdRng) -> Duration {
    Duration::from_secs_f64(random.random_range(0.0..1.5))
}

/// The place at which a new node is killed, and at which visit; `None` for nowhere.
#[must_use]
pub fn draw_place(random: &mut StdRng) -> Option<(&'static str, u32)> {
    let place = PLACES[random.random_range(0..PLACES.len())];
    let visits = random.random_range(1..=VISITS_MAX);
    random.random::<bool>().then_some((place, visits))
}
