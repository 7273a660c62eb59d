//! The writer's loop: carries out what follows from each transaction, in order. First rows are handed to memory,
//! then callers get their answers, then activities are reported.

use std::sync::Arc;

use super::Shared;
use crate::{
    metrics,
    outbox::{Moment, Outbox, Steps},
    store::{
        ask::Ask,
        committed::{Committed, HandOver, RefusedRefill},
        completion::Completion,
        opened::Writer,
    },
};

/// The wait after the store refused a load.
const REFUSED_WAIT_MS: i64 = 1_000;

/// Runs until the queue is closed and empty.
pub(crate) fn run_writer(shared: &Arc<Shared>, mut writer: Writer) {
    let _abandon = shared.queue.abandon_at_end();
    while let Some(committed) = writer.write_next(&shared.queue) {
        shared.follow(committed);
    }
}

impl Shared {
    /// Carries out what follows from a transaction.
    fn follow(self: &Arc<Self>, committed: Committed) {
        let moment = self.moment();
        for handover in committed.handovers {
            self.hand_over(handover, moment);
        }
        for completion in committed.given_back {
            self.queue.complete_now(completion);
        }
        for outbox in committed.refills {
            self.ask_for_refill(outbox);
        }
        let refused = committed.answers.give(&Ok(()));
        for activity in committed.activities {
            self.audience.tell(activity);
        }
        self.memory.released(committed.released);
        metrics::accepted(committed.accepted);
        if let Some(at) = committed.due_at {
            self.due_by(at);
        }
        for refill in committed.refused_refills.into_iter().chain(refused) {
            self.refill_later(refill);
        }
    }

    fn hand_over(self: &Arc<Self>, handover: HandOver, moment: Moment) {
        let HandOver {
            outbox,
            row,
            retreats,
        } = handover;
        match outbox.accept(row, retreats, moment) {
            Ok(steps) => self.take_steps(&outbox, steps),
            Err(given) => {
                let completion = Completion::given_back(&outbox, given);
                self.queue.complete_now(completion);
            }
        }
    }

    /// Carries out what a changed outbox needs.
    pub(super) fn take_steps(self: &Arc<Self>, outbox: &Arc<Outbox>, steps: Steps) {
        for _ in 0..steps.starts {
            self.start_worker(outbox);
        }
        if steps.refill {
            self.ask_for_refill(Arc::clone(outbox));
        }
    }

    /// Requests a load of a lane, unless the engine is stopping: everything loaded would go back.
    fn ask_for_refill(&self, outbox: Arc<Outbox>) {
        if self.is_stopping() {
            outbox.refill_ended();
        } else {
            self.queue.push(Ask::Refill(outbox));
        }
    }

    /// Gives everything that waits in an outbox back to its lane.
    pub(super) fn give_all_back(&self, outbox: &Arc<Outbox>) {
        for given in outbox.give_all_back(self.timeline.now()) {
            self.queue
                .complete_now(Completion::given_back(outbox, given));
        }
    }

    /// Retries a load that the store refused, but later: immediately it would be refused again.
    fn refill_later(self: &Arc<Self>, RefusedRefill { outbox, error }: RefusedRefill) {
        tracing::warn!(
            endpoint.id = %outbox.endpoint().id,
            %error,
            "an endpoint's waiting deliveries could not be loaded; trying again in a second"
        );
        let shared = Arc::clone(self);
        self.spawn(async move {
            let stopped = shared.stopped.notified();
            if shared.is_stopping() {
                return;
            }
            let at = shared.timeline.now() + REFUSED_WAIT_MS;
            tokio::select! {
                () = shared.timeline.sleep_until(at) => {}
                () = stopped => return,
            }
            outbox.refill_ended();
            shared.take_steps(&outbox, outbox.lane_is_uncertain());
        });
    }
}
