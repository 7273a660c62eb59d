//! Rows of the outbox table: those that became events, and those that cannot.

/// Most rows of one [`Webhooks::refused_in_outbox`](crate::Webhooks::refused_in_outbox).
pub const REFUSED_ROWS_MAX: usize = 500;

/// A row of `webhooks_outbox` that could not become an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The row's `id`.
    pub id: i64,
    /// Its `customer`, shortened.
    pub customer: String,
    /// Its `type`, shortened.
    pub event_type: String,
    /// Its `event_id`, shortened.
    pub event_id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// What one transaction took of the outbox table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TakenRows {
    /// Rows that became events, or were the same as an event before.
    pub(crate) events: u64,
    /// There may be more.
    pub(crate) more: bool,
    /// Others have in hand what rows that are left wait for, or are taking them: for a moment.
    pub(crate) waits: bool,
}
