//! What a worker of an endpoint does next: take a delivery and a place, wait for its turn or for a place, or end.
//!
//! A worker waits without holding a delivery, and one waits on behalf of all: what waits stays in the queue, where
//! it can be canceled or given back, and an endpoint is in line for a place only once.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Lane, Moment, Outbox, Steps, Wait, pace::Turn};
use crate::{
    model::delivery::ClaimedDelivery,
    places::{Asked, Place, Places, share::Need},
};

/// A delivery to make now.
pub(crate) struct Taken {
    pub(crate) row: ClaimedDelivery,
    pub(crate) place: Place,
    /// The number of retreats so far.
    pub(crate) retreats: u64,
}

/// What a worker does next.
pub(crate) enum WorkerStep {
    Deliver(Taken),
    /// Until this time, on the timeline.
    WaitUntil(i64),
    WaitForPlace(oneshot::Receiver<Place>),
    /// The worker is no longer counted.
    End,
}

/// What a worker did before.
pub(crate) enum Wake {
    /// It was just started, or has made an attempt.
    Free,
    /// It has waited; contains the place that it waited for, if it did.
    Waited(Option<Place>),
}

impl Outbox {
    pub(crate) fn next(
        &self,
        places: &Arc<Places>,
        wake: Wake,
        moment: Moment,
    ) -> (WorkerStep, Steps) {
        let Moment { now, is_stopping } = moment;
        let limit = self.endpoint().interval;
        let mut state = self.state.lock();
        let (turn, place) = match wake {
            Wake::Free => (Turn::AtOnce, None),
            Wake::Waited(place) => {
                state.workers.waits = None;
                (Turn::Waited, place)
            }
        };
        let ends = state.workers.count > state.pace.width()
            || state.workers.waits.is_some()
            || state.queue.rows.is_empty()
            || is_stopping;
        if ends {
            state.workers.count -= 1;
            state.queue.in_hand = None;
            let refill = state.wants_refill();
            return (WorkerStep::End, Steps { refill, starts: 0 });
        }
        if let Some(at) = state.pace.wait_until(now, limit) {
            state.workers.waits = Some(Wait::Pace(at));
            drop(state);
            // Notifies those who wait for everything to be done that this needs the clock.
            self.memory.idle.notify_waiters();
            return (WorkerStep::WaitUntil(at), Steps::default());
        }
        let need = match state.lane {
            Lane::Stopped => Need::Probe,
            Lane::None | Lane::Kept | Lane::Flowing => Need::Delivery,
        };
        let asked = match place {
            Some(place) => Asked::Place(place),
            None => places.take(&self.occupant, need, now),
        };
        let place = match asked {
            Asked::Place(place) => place,
            Asked::Wait(grant) => {
                state.workers.waits = Some(Wait::Place);
                return (WorkerStep::WaitForPlace(grant), Steps::default());
            }
        };
        let row = state.queue.rows.pop_front();
        let row = row.expect("the queue was looked at above, under the same lock");
        state.pace.start(now, limit, turn);
        self.count_out(&mut state, &row);
        state.queue.in_hand = Some(row.clone());
        let steps = Steps {
            refill: state.wants_refill(),
            // While one worker waits, no other is started.
            starts: usize::from(!state.queue.rows.is_empty() && state.counts_in_worker()),
        };
        let taken = Taken {
            row,
            place,
            retreats: state.retreats,
        };
        (WorkerStep::Deliver(taken), steps)
    }

    /// Puts back a delivery that this machine could not send, at the front of the queue, and pauses sending for a
    /// while. Returns the delivery if everything that waited has gone back to the lane meanwhile.
    pub(crate) fn put_back(
        &self,
        row: ClaimedDelivery,
        retreats: u64,
        moment: Moment,
    ) -> Option<ClaimedDelivery> {
        let active = self.is_active();
        let mut state = self.state.lock();
        state.pace.machine_failed(moment.now);
        if retreats != state.retreats || !active || moment.is_stopping {
            return Some(row);
        }
        state.queue.bytes += row.event.body.len();
        self.memory.add_bytes(row.event.body.len());
        state.queue.rows.push_front(row);
        None
    }

    /// Notes that a request was made. True if the one before could not be.
    pub(crate) fn machine_is_well(&self) -> bool {
        self.state.lock().pace.machine_is_well()
    }

    /// Notes that a worker panicked: another one continues with what waits.
    pub(crate) fn worker_lost(&self) -> Steps {
        let mut state = self.state.lock();
        state.queue.in_hand = None;
        state.workers.count -= 1;
        Steps {
            starts: usize::from(!state.queue.rows.is_empty() && state.counts_in_worker()),
            refill: state.gives_way && state.wants_refill(),
        }
    }
}
