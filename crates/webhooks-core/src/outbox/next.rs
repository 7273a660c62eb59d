//! What a worker of an endpoint does next: take a delivery and a place, wait for either's time, or
//! end.
//!
//! A worker waits with empty hands, and one for all: what waits stays in the queue, where it can
//! be canceled or given back, and an endpoint is in line for a place once.

use std::sync::Arc;

use tokio::sync::{futures::Notified, oneshot};

use super::{Outbox, Wait, pace::Turn};
use crate::{
    engine::Shared,
    model::delivery::ClaimedDelivery,
    places::{Asked, Place, share::Need},
};

/// A delivery to be made now.
pub(crate) struct Taken {
    pub(crate) row: ClaimedDelivery,
    pub(crate) place: Place,
    /// The retreats so far.
    pub(crate) retreats: u64,
}

/// What a worker does next.
pub(crate) enum Next {
    Deliver(Taken),
    /// Until then, on the timeline.
    WaitUntil(i64),
    WaitForPlace(oneshot::Receiver<Place>),
    /// It is no longer counted.
    End,
}

/// Where a worker comes from.
pub(crate) enum Wake {
    /// It was just started, or has made an attempt.
    Free,
    /// It has waited; with the place that it waited for, if it did.
    Waited(Option<Place>),
}

impl Outbox {
    /// Signalled when what waits in memory goes back to the lane. To be asked for before
    /// [`Outbox::next`].
    pub(crate) fn called_off(&self) -> Notified<'_> {
        self.called_off.notified()
    }

    pub(crate) fn next(self: &Arc<Self>, shared: &Arc<Shared>, wake: Wake) -> Next {
        let now = shared.timeline.now();
        let limit = self.endpoint().interval;
        let mut state = self.lock();
        let (turn, place) = match wake {
            Wake::Free => (Turn::AtOnce, None),
            Wake::Waited(place) => {
                state.waits = None;
                (Turn::Waited, place)
            }
        };
        let ends = state.workers > state.pace.width()
            || state.waits.is_some()
            || state.queue.is_empty()
            || shared.is_stopping();
        if ends {
            state.workers -= 1;
            state.in_hand = None;
            let refill = Self::wants_refill(&mut state);
            drop(state);
            if refill {
                self.ask_for_refill(shared);
            }
            return Next::End;
        }
        if let Some(at) = state.pace.wait_until(now, limit) {
            state.waits = Some(Wait::Pace(at));
            drop(state);
            // Whoever waits until all is done learns that this needs the clock.
            shared.idle.notify_waiters();
            return Next::WaitUntil(at);
        }
        let need = if state.trouble {
            Need::Probe
        } else {
            Need::Delivery
        };
        let asked = match place {
            Some(place) => Asked::Place(place),
            None => shared.places.take(&self.occupant, need, now),
        };
        let place = match asked {
            Asked::Place(place) => place,
            Asked::Wait(grant) => {
                state.waits = Some(Wait::Place);
                return Next::WaitForPlace(grant);
            }
        };
        let Some(row) = state.queue.pop_front() else {
            // It was looked at above.
            state.workers -= 1;
            return Next::End;
        };
        state.pace.start(now, limit, turn);
        state.queue_bytes -= row.event.body.len();
        shared.remove_bytes(row.event.body.len());
        state.in_hand = Some(row.clone());
        let retreats = state.retreats;
        let refill = Self::wants_refill(&mut state);
        // While one waits no other is started.
        let another = !state.queue.is_empty() && state.counts_in_worker();
        drop(state);
        if another {
            self.start_worker(shared);
        }
        if refill {
            self.ask_for_refill(shared);
        }
        Next::Deliver(Taken {
            row,
            place,
            retreats,
        })
    }

    /// Puts a delivery back at the front of the queue that this machine could not send, and sends
    /// nothing for a while. Gives it back when what waited went back to the lane meanwhile.
    pub(crate) fn put_back(
        &self,
        shared: &Shared,
        row: ClaimedDelivery,
        retreats: u64,
    ) -> Option<ClaimedDelivery> {
        let now = shared.timeline.now();
        let active = self.is_active();
        let mut state = self.lock();
        state.pace.machine_failed(now);
        if retreats != state.retreats || !active || shared.is_stopping() {
            return Some(row);
        }
        state.queue_bytes += row.event.body.len();
        shared.add_bytes(row.event.body.len());
        state.queue.push_front(row);
        None
    }

    /// A request was made. True when the last one could not be.
    pub(crate) fn machine_is_well(&self) -> bool {
        self.lock().pace.machine_is_well()
    }

    /// A worker panicked: another goes on with what waits.
    pub(crate) fn worker_lost(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut state = self.lock();
        state.in_hand = None;
        state.workers -= 1;
        let start = !state.queue.is_empty() && state.counts_in_worker();
        drop(state);
        if start {
            self.start_worker(shared);
        }
    }
}
