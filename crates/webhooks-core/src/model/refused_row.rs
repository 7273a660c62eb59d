//! A row of the outbox table that cannot become an event.

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
