//! What a worker of an endpoint does next: take a delivery and a place, wait for either's time, or
//! end.
//!
//! A worker waits with empty hands, and one for all: what waits stays in the queue, where it can
//! be canceled or given back, and an endpoint is in line for a place once.

use std::sync::Arc;

use tokio::sync::{futures::Notified, oneshot};

use super::{Outbox, Wait};
use crate::{
    engine::{
        Shared,
        pace::Turn,
        places::{Asked, Need, Place},
    },
    store::row::ClaimedDelivery,
};

/// A delivery to be made now.
pub(in crate::engine) struct Taken {
    pub(in crate::engine) row: ClaimedDelivery,
    pub(in crate::engine) place: Place,
    /// The retreats so far.
    pub(in crate::engine) retreats: u64,
}

/// What a worker does next.
pub(in crate::engine) enum Next {
    Deliver(Taken),
    /// Until then, on the timeline.
    WaitUntil(i64),
    WaitForPlace(oneshot::Receiver<Place>),
    /// It is no longer counted.
    End,
}

/// Where a worker comes from.
pub(in crate::engine) enum Wake {
    /// It was just started, or has made an attempt.
    Free,
    /// It has waited; with the place that it waited for, if it did.
    Waited(Option<Place>),
}

impl Outbox {
    /// Signalled when what waits in memory goes back to the lane. To be asked for before
    /// [`Outbox::next`].
    pub(in crate::engine) fn called_off(&self) -> Notified<'_> {
        self.called_off.notified()
    }

    pub(in crate::engine) fn next(self: &Arc<Self>, shared: &Arc<Shared>, wake: Wake) -> Next {
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
    pub(in crate::engine) fn put_back(
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
    pub(in crate::engine) fn machine_is_well(&self) -> bool {
        self.lock().pace.machine_is_well()
    }

    /// A worker panicked: another goes on with what waits.
    pub(in crate::engine) fn worker_lost(self: &Arc<Self>, shared: &Arc<Shared>) {
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
