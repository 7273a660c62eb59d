//! A worker: takes deliveries of one endpoint until none waits, and makes an attempt for each.

use std::sync::Arc;

use tokio::sync::futures::Notified;

use super::{
    Shared,
    hand::InHand,
    judgement::{Span, judge},
};
use crate::{
    crash_point,
    outbox::{
        Outbox,
        next::{Wake, WorkerStep},
    },
    places::{Place, share::Answer},
    store::completion::Completion,
};

impl Shared {
    /// Starts a worker that was already counted.
    pub(super) fn start_worker(self: &Arc<Self>, outbox: &Arc<Outbox>) {
        self.spawn(work(Arc::clone(self), Arc::clone(outbox)));
    }
}

/// Works until the endpoint's queue is empty. The worker was counted when it was spawned.
async fn work(shared: Arc<Shared>, outbox: Arc<Outbox>) {
    let _counted = Counted {
        shared: &shared,
        outbox: &outbox,
    };
    let mut wake = Wake::Free;
    loop {
        let called_off = outbox.called_off();
        let (next, steps) = outbox.next(&shared.places, wake, shared.moment());
        shared.take_steps(&outbox, steps);
        wake = match next {
            WorkerStep::Deliver(taken) => {
                let hand = InHand {
                    shared: &shared,
                    outbox: &outbox,
                    row: Some(taken.row),
                    retreats: taken.retreats,
                    is_counted: false,
                };
                deliver(hand, taken.place).await;
                Wake::Free
            }
            WorkerStep::WaitUntil(at) => {
                let time = shared.timeline.sleep_until(at);
                Wake::Waited(
                    wait(&shared, called_off, async {
                        time.await;
                        None
                    })
                    .await,
                )
            }
            WorkerStep::WaitForPlace(grant) => {
                Wake::Waited(wait(&shared, called_off, async { grant.await.ok() }).await)
            }
            WorkerStep::End => return,
        };
    }
}

/// Waits without holding a delivery, until `until` is ready, the wait is called off, or the engine stops.
async fn wait(
    shared: &Shared,
    called_off: Notified<'_>,
    until: impl Future<Output = Option<Place>>,
) -> Option<Place> {
    let stopped = shared.stopped.notified();
    if shared.is_stopping() {
        return None;
    }
    tokio::select! {
        biased;
        place = until => place,
        () = called_off => None,
        () = stopped => None,
    }
}

/// A worker that is counted. If it panics, another one takes over.
struct Counted<'a> {
    shared: &'a Arc<Shared>,
    outbox: &'a Arc<Outbox>,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let steps = self.outbox.worker_lost();
            self.shared.take_steps(self.outbox, steps);
        }
    }
}

async fn deliver(mut hand: InHand<'_>, place: Place) {
    let (shared, outbox) = (hand.shared, hand.outbox);
    let Some(row) = hand.row.as_ref() else { return };
    if !shared.lease.holds(row.claim) {
        // Another engine may hold the same delivery: it waits until the store says which engine has it.
        hand.put_back();
        return;
    }
    let endpoint = outbox.endpoint();
    let at = shared.timeline.now();
    let attempted = shared
        .sender
        .attempt(&endpoint, &row.event, &shared.timeline)
        .await;
    let response = match attempted {
        Ok(response) => response,
        Err(error) => {
            shared.sender.machine.failed(&error);
            // No attempt is used up: the delivery waits in the queue, and its endpoint waits for this machine.
            hand.put_back();
            return;
        }
    };
    let now = shared.timeline.now();
    place.end(
        now,
        match &response.record.failure {
            None => Answer::Success,
            Some(_) => Answer::Failure,
        },
    );
    if outbox.machine_is_well() {
        shared.sender.machine.recovered();
    }
    crash_point::reach("in_flight");
    let (verdict, consequences) = judge(&mut hand, &response, Span { at, now });
    let Some(row) = hand.row.take() else { return };
    let completion = Completion {
        outbox: Arc::clone(outbox),
        row,
        attempt: Some(response.record),
        verdict,
        consequences,
    };
    shared.queue.complete(completion).await;
}
