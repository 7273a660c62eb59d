//! How often a node polls the database.

use std::time::Duration;

/// The wait while polls find something, or if this node does not hear from others.
const WAIT_MIN: Duration = Duration::from_millis(50);
/// The longest wait: what a lost notification costs.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// The wait between two polls: it doubles while they find nothing.
pub(super) struct Pace {
    wait: Duration,
    min: Duration,
    max: Duration,
}

impl Pace {
    /// `always`: a fixed wait while others are heard, whatever is found.
    pub(super) fn new(always: Option<Duration>) -> Self {
        let (min, max) = always.map_or((WAIT_MIN, WAIT_MAX), |always| (always, always));
        Self {
            wait: min,
            min,
            max,
        }
    }

    /// A poll that no notification caused found something, or nothing.
    pub(super) fn looked(&mut self, found: bool) {
        self.wait = if found {
            self.min
        } else {
            (self.wait * 2).min(self.max)
        };
    }

    /// The wait until the next poll. `listens`: others are heard.
    pub(super) fn wait(&self, listens: bool) -> Duration {
        if listens { self.wait } else { WAIT_MIN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rarer_while_they_find_nothing_unless_nobody_is_heard() {
        let mut pace = Pace::new(None);
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(pace.wait(true).as_millis());
            pace.looked(false);
        }
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_000]);
        assert_eq!(pace.wait(false), WAIT_MIN);
        pace.looked(true);
        assert_eq!(pace.wait(true), WAIT_MIN);
    }
}
