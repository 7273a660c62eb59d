//! The order of events in a file.

use super::customer_events::NewestBlock;

/// The order of events in a file.
pub(crate) struct Sequence {
    last_event: i64,
    pub(super) newest_block: NewestBlock,
}

impl Sequence {
    /// `last_event` is the last event that left any record.
    pub(super) fn new(last_event: i64) -> Self {
        Self {
            last_event,
            newest_block: NewestBlock::default(),
        }
    }

    /// The place of the next event in the order of commits. Records of events that retention deleted refer
    /// to theirs, so it is never given again while they are kept.
    pub(super) fn next_event(&mut self) -> i64 {
        self.last_event += 1;
        self.last_event
    }

    /// What was written to the index may be part of what was rolled back.
    pub(super) fn rolled_back(&mut self) {
        self.newest_block = NewestBlock::default();
    }
}
