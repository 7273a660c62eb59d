//! The faults, and how they are drawn.

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
/// How many visits of a named place go by at most before it kills.
const VISITS_MAX: u32 = 40;

/// What happens to a node, or to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A node is killed and started again; every second time it is killed at a named place next.
    Kill,
    /// A node is stopped by SIGSTOP, mostly for longer than its lease, and goes on.
    Stop,
    /// A node is stopped for longer than its lease, and killed soon after it goes on.
    KillAfterStop,
    /// Its connections are closed, and new ones for a while.
    Cut,
    /// The same when a commit was sent, whose answer is lost with them, or has just not been.
    CutAtCommit,
    /// Nothing passes for a while.
    Stall,
    /// The connections that there are bring nothing more, and nobody is told.
    Silence,
    /// Postgres crashes and starts again.
    Restart,
    /// The same when a commit was just sent.
    RestartAtCommit,
    /// Postgres is gone, and its replica takes over, with all that was committed where it is synchronous.
    Promote,
}

/// Whether a node that was declared dead notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// As it is.
    Kept,
    /// It goes on as if it were alive.
    Removed,
}

/// Each with its name and how often it is drawn beside the others.
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
    /// All that a database with or without a replica can have.
    #[must_use]
    pub fn all(has_replica: bool) -> Vec<Self> {
        let all = EVERY.iter().map(|(fault, ..)| *fault);
        all.filter(|fault| has_replica || *fault != Self::Promote)
            .collect()
    }

    /// Draws one of `among`, which has one at least.
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
        bail!("{text:?} is none of {}", names.join(", "))
    }
}

/// How long nothing happens before the next fault: mostly too short for anything to recover, now and
/// then long enough for the leases of the dead to end.
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

/// How long a node is stopped so that it is declared dead meanwhile, and how soon after that it is killed.
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

/// For how long a replica gets nothing before it takes over.
#[must_use]
pub fn draw_lag(random: &mut StdRng) -> Duration {
    Duration::from_secs_f64(random.random_range(0.0..1.5))
}

/// Where a node that starts is killed, and at which visit; `None`: nowhere.
#[must_use]
pub fn draw_place(random: &mut StdRng) -> Option<(&'static str, u32)> {
    let place = PLACES[random.random_range(0..PLACES.len())];
    let visits = random.random_range(1..=VISITS_MAX);
    random.random::<bool>().then_some((place, visits))
}
