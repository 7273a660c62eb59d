//! A delivery in a worker's hand.

use std::sync::Arc;

use super::Shared;
use crate::{model::delivery::ClaimedDelivery, outbox::Outbox, store::completion::Completion};

/// A delivery in a worker's hand. Should the worker be cut off, it goes back to the lane.
pub(super) struct InHand<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) outbox: &'a Arc<Outbox>,
    pub(super) row: Option<ClaimedDelivery>,
    /// The outbox's retreats when it was taken.
    pub(super) retreats: u64,
    /// Its failure is counted as an outcome that returns to the lane.
    pub(super) is_counted: bool,
}

impl InHand<'_> {
    /// This machine could not make the request: the delivery waits for it where it was.
    pub(super) fn put_back(mut self) {
        if let Some(row) = self.row.take()
            && let Some(row) = self
                .outbox
                .put_back(row, self.retreats, self.shared.moment())
        {
            // Everything else went back to the lane meanwhile, and so does this.
            self.row = Some(row);
        }
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if let Some(row) = self.row.take() {
            let given = self.outbox.return_unsent(row, self.shared.timeline.now());
            let completion = Completion::given_back(self.outbox, given);
            self.shared.queue.complete_now(completion);
            if self.is_counted {
                // What was just queued counts in its place.
                let steps = self.outbox.returned();
                self.shared.take_steps(self.outbox, steps);
            }
        }
    }
}
