//! The record of a draw, wherever it is stored.

use std::time::{Duration, SystemTime};

use crate::{journey::Journey, journeys::KEPT_MAX};

/// The event type of the talk.
pub(super) const EVENT_TYPE: &str = "random_number:generate";
/// Only what the page can show is kept; the events themselves follow the engine's retention.
pub(super) const KEPT: i64 = KEPT_MAX as i64;

/// A draw as a journey about which nothing more is known.
pub(super) fn journey(event_id: String, number: u16, drawn_at_ms: i64) -> Journey {
    let drawn_at = SystemTime::UNIX_EPOCH + Duration::from_millis(drawn_at_ms.unsigned_abs());
    Journey::new(event_id, number, drawn_at)
}

pub(super) fn to_ms(at: SystemTime) -> i64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
