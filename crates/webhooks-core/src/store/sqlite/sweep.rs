//! How far maintenance has got.

/// How far a pass over old rows has got. Rows that it leaves, because they are still pending or were
/// tried again since, must not be looked at every time.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The event that was looked at last.
    pub(super) event: i64,
    /// The attempt that was looked at last, by its primary key.
    pub(super) attempt: (i64, i64, i64),
    /// When the next pass begins, again with the oldest.
    pub(super) next_pass_at: i64,
}
