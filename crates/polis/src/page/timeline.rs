//! The attempts of one delivery, with the gaps between them.

use std::sync::Arc;

use super::list::{answer, clock, gap_text, hung_up};
use crate::record::Record;

/// Maximum number of attempts shown.
const SHOWN: usize = 50;

/// One attempt on the timeline.
pub(super) struct Stop {
    pub(super) id: u64,
    pub(super) attempt: u32,
    /// The time since the previous one; empty for the first.
    pub(super) gap: String,
    /// The length of the line before it: `g1` to `g5`, one step for each tenfold gap.
    pub(super) length: &'static str,
    pub(super) time: String,
    pub(super) answer: String,
    /// `the client hung up at 2.01 s`, or empty.
    pub(super) hung_up: String,
    pub(super) class: &'static str,
    pub(super) current: bool,
}

/// All kept attempts of the delivery that `record` belongs to, oldest first.
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
                length: length(same.gap_ms.unwrap_or_default()),
                time: clock(other.received_at, "%H:%M:%S%.3f"),
                answer,
                hung_up: hung_up(other),
                class,
                current: other.id == record.id,
            })
        })
        .take(SHOWN)
        .collect();
    stops.reverse();
    stops
}

fn length(gap_ms: i64) -> &'static str {
    match gap_ms {
        ..1_000 => "g1",
        1_000..10_000 => "g2",
        10_000..100_000 => "g3",
        100_000..1_000_000 => "g4",
        _ => "g5",
    }
}
