//! Rows of the outbox table: those that became events, and those that could not.

/// The maximum number of rows that one [`Webhooks::refused_in_outbox`](crate::Webhooks::refused_in_outbox)
/// returns.
pub const REFUSED_ROWS_MAX: usize = 500;
/// Rows taken in one transaction: bounds how long they keep the writer from sends.
pub(crate) const TAKE_ROWS: usize = 256;

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

/// What one transaction took from the outbox table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TakenRows {
    /// Rows that became events, or were identical to an earlier event.
    pub(crate) events: u64,
    /// Whether there may be more rows.
    pub(crate) more: bool,
    /// Whether rows that are left wait briefly for other transactions, which are taking those rows or hold
    /// something that they need.
    pub(crate) waits: bool,
}
