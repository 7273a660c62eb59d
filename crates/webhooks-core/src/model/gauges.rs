//! The values of the gauges.

/// The values of the gauges at one moment.
pub(crate) struct Gauges {
    pub(crate) pending: u32,
    pub(crate) oldest_at: Option<i64>,
    pub(crate) in_trouble: u32,
}
