//! How fast texts travel.

use std::time::Duration;

/// How long a text stays in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From `queued` to `sending`.
    pub queued: Duration,
    /// From `sending` to `sent`.
    pub sending: Duration,
    /// From `sent` to `delivered`.
    pub sent: Duration,
}

impl Pace {
    /// Slow enough to watch, fast enough not to keep anyone waiting: 1.5 seconds in all.
    pub const HUMAN: Self = Self {
        queued: Duration::from_millis(300),
        sending: Duration::from_millis(500),
        sent: Duration::from_millis(700),
    };

    /// No waiting at all, for tests.
    pub const INSTANT: Self = Self {
        queued: Duration::ZERO,
        sending: Duration::ZERO,
        sent: Duration::ZERO,
    };
}
