//! How far maintenance has got.

use std::collections::BTreeSet;

/// How far maintenance has got.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The day up to which partitions exist, as far as is known.
    pub(super) partitions_until: i32,
    /// When to try again to create them, if others held that up.
    pub(super) partitions_at: i64,
    /// When to look next for partitions that are too old.
    pub(super) next_pass_at: i64,
    /// A day that is kept no longer, and the last event up to which its deliveries were looked through.
    pub(super) moved_until: Option<(i32, i64)>,
    /// Endpoints that were disabled or removed here, whose lanes are looked at first.
    pub(super) over: BTreeSet<i64>,
    /// In a pass through all lanes, the last one whose endpoint is known to be neither disabled nor removed;
    /// none at the start of a pass.
    pub(super) lanes_until: Option<i64>,
}

impl Sweep {
    /// What the current transaction had created is gone.
    pub(super) fn rolled_back(&mut self) {
        self.partitions_until = 0;
        self.moved_until = None;
    }
}
