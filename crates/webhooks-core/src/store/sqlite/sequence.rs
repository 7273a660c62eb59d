//! The order of events in a file.

use super::customer_events::NewestBlock;

/// The order of events in a file.
pub(crate) struct Sequence {
    last_event: i64,
    pub(super) newest_block: NewestBlock,
}

impl Sequence {
    /// `last_event` is the last event of which anything is on record.
    pub(super) fn new(last_event: i64) -> Self {
        Self {
            last_event,
            newest_block: NewestBlock::default(),
        }
    }

    /// The place of the next event in the order of commits. What is on record of events that
    /// retention took away names theirs: it is never given again while that is kept.
    pub(super) fn next_event(&mut self) -> i64 {
        self.last_event += 1;
        self.last_event
    }

    /// What was written of the index may be among what was rolled back.
    pub(super) fn rolled_back(&mut self) {
        self.newest_block = NewestBlock::default();
    }
}
