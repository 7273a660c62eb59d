//! The lanes that a transaction has locked.

use std::{collections::BTreeSet, time::Duration};

/// How long a transaction waits for a lane that it did not foresee.
pub(super) const UNFORESEEN_WAIT: Duration = Duration::from_millis(20);

/// The lanes that a transaction has locked.
#[derive(Debug, Clone, Default)]
pub(super) struct HeldLanes {
    keys: BTreeSet<i64>,
    /// It has locked nothing that others may want while they hold a lane, and will lock nothing until it has all
    /// its lanes: so it can wait for them.
    pub(super) are_first: bool,
}

impl HeldLanes {
    pub(super) fn add(&mut self, key: i64) {
        self.keys.insert(key);
    }

    pub(super) fn holds(&self, key: i64) -> bool {
        self.keys.contains(&key)
    }
}
