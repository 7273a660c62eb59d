//! The attempts of one delivery, with the gaps between them.

use std::sync::Arc;

use super::list::{answer, gap_text};
use crate::record::Record;

/// Attempts shown.
const SHOWN: usize = 50;

/// One attempt on the line.
pub(super) struct Stop {
    pub(super) id: u64,
    pub(super) attempt: u32,
    /// Since the one before; empty for the first.
    pub(super) gap: String,
    pub(super) answer: String,
    pub(super) class: &'static str,
    pub(super) current: bool,
}

/// Every kept attempt of the delivery that `record` belongs to, the oldest first.
pub(super) fn timeline(record: &Record, newest_first: &[Arc<Record>]) -> Vec<Stop> {
    let Some(delivery) = &record.delivery else {
        return Vec::new();
    };
    let mut stops: Vec<Stop> = newest_first
        .iter()
        .filter(|other| other.scope == record.scope)
        .filter_map(|other| {
            let same = other
                .delivery
                .as_ref()
                .filter(|candidate| candidate.id == delivery.id)?;
            let (class, answer) = answer(other);
            Some(Stop {
                id: other.id,
                attempt: same.attempt,
                gap: same.gap_ms.map(gap_text).unwrap_or_default(),
                answer,
                class,
                current: other.id == record.id,
            })
        })
        .take(SHOWN)
        .collect();
    stops.reverse();
    stops
}
