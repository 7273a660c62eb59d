//! How far maintenance has come.

/// How far maintenance has come.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The day up to which partitions are there.
    pub(super) partitions_until: i32,
    /// When partitions are next looked through for those that are too old.
    pub(super) next_pass_at: i64,
}
