//! How far maintenance has come.

/// How far a pass over what is old has come. What it leaves, because it is still owed or was
/// tried again since, must not be looked at every time.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The event that was looked at last.
    pub(super) event: i64,
    /// The attempt that was looked at last, by its primary key.
    pub(super) attempt: (i64, i64, i64),
    /// When the next pass begins, at the oldest again.
    pub(super) next_pass_at: i64,
}
