//! A delivery that a worker holds.

use std::sync::Arc;

use super::Shared;
use crate::{model::delivery::ClaimedDelivery, outbox::Outbox, store::completion::Completion};

/// A delivery that a worker holds. If the worker is cut off, the delivery goes back to the lane.
pub(super) struct InHand<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) outbox: &'a Arc<Outbox>,
    pub(super) row: Option<ClaimedDelivery>,
    /// The outbox's count of retreats when the delivery was taken.
    pub(super) retreats: u64,
    /// Whether its failure is counted as an outcome that returns to the lane.
    pub(super) is_counted: bool,
}

impl InHand<'_> {
    /// Called when this machine could not make the request: puts the delivery back where it was, to wait for the
    /// machine.
    pub(super) fn put_back(mut self) {
        if let Some(row) = self.row.take()
            && let Some(row) = self
                .outbox
                .put_back(row, self.retreats, self.shared.moment())
        {
            // Everything else has gone back to the lane meanwhile, and so does this.
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
                // The completion that was just queued is counted instead.
                let steps = self.outbox.returned();
                self.shared.take_steps(self.outbox, steps);
            }
        }
    }
}
