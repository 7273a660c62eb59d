//! The lanes that a transaction has locked.

use std::{collections::BTreeSet, time::Duration};

/// How long a lane is waited for that a transaction did not foresee.
pub(super) const UNFORESEEN_WAIT: Duration = Duration::from_millis(20);

/// The lanes that a transaction has locked.
#[derive(Debug, Clone, Default)]
pub(super) struct HeldLanes {
    keys: BTreeSet<i64>,
    /// It has locked nothing that others may want while they have a lane, and locks nothing before it has all
    /// of its own: it can wait for them.
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
