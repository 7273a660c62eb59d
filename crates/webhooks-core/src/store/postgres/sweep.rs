//! How far maintenance has come.

use std::collections::BTreeSet;

/// How far maintenance has come.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The day up to which partitions are there, as far as is known.
    pub(super) partitions_until: i32,
    /// When they are next made, where others held that up.
    pub(super) partitions_at: i64,
    /// When partitions are next looked through for those that are too old.
    pub(super) next_pass_at: i64,
    /// Endpoints that were disabled or removed here, whose lanes are looked at first.
    pub(super) over: BTreeSet<i64>,
    /// The last lane of which it is known that its endpoint is neither disabled nor removed, of a pass through
    /// all of them; none at the start of a pass.
    pub(super) lanes_until: Option<i64>,
}

impl Sweep {
    /// What the present transaction had made is gone.
    pub(super) fn rolled_back(&mut self) {
        self.partitions_until = 0;
    }
}
