//! Loading a lane's next rows into memory, and leaving the lane when it is empty.

use super::{Lane, Outbox, Steps};
use crate::endpoint::EndpointState;

/// What a refill may load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefillPlan {
    pub(crate) rows: usize,
    /// Load only what is due, after expiring what has waited too long.
    pub(crate) trouble: bool,
    /// The number of retreats so far; after another one, what was loaded goes back.
    pub(crate) retreats: u64,
}

impl Outbox {
    /// Requests a load of a lane that nothing in memory would return to. This does not go through the due scan,
    /// which has only the places for endpoints in trouble, and hanging endpoints can occupy all of them.
    pub(crate) fn wake(&self) -> Steps {
        Steps {
            refill: !std::mem::replace(&mut self.state.lock().refilling, true),
            starts: 0,
        }
    }

    /// The store refused the requested refill. Until [`Outbox::refill_ended`] no other one is requested:
    /// immediately it would be refused again.
    pub(crate) fn refill_refused(&self) {
        self.state.lock().refilling = true;
    }

    /// Called after a failed transaction, when memory may be ahead of the store. Checks the lane again, unless
    /// that is requested already: a failure must not request more than the one before.
    pub(crate) fn lane_is_uncertain(&self) -> Steps {
        let mut state = self.state.lock();
        state.has_lane();
        let stopped = state.lane == Lane::Stopped;
        drop(state);
        if stopped {
            Steps::default()
        } else {
            self.wake()
        }
    }

    /// What a refill may load; `None` while the endpoint is paused or disabled, while part of the lane is not in
    /// the store, or if the lane is about to pass to another engine.
    pub(crate) fn plan_refill(&self) -> Option<RefillPlan> {
        let endpoint = self.endpoint();
        let mut state = self.state.lock();
        // Memory requests a refill by itself while much waits in it.
        let is_full = state.lane != Lane::Stopped && state.queue.rows.len() > state.loads.below;
        // The caller has found something in the lane, or checks whether there is anything. Another engine may have
        // added it without this memory being notified, and the lane's due time may be cleared with this answer: so
        // memory notes here that there is a lane to load.
        state.has_lane();
        let is_held_up = state.returning > 0 || state.gives_way;
        if endpoint.state != EndpointState::Active || is_held_up || is_full {
            return None;
        }
        state.refilling = true;
        let trouble = state.lane == Lane::Stopped;
        let rows = if trouble || self.memory.is_full() {
            1
        } else if state.pace.ramps_up() {
            state.pace.width()
        } else {
            state.loads.rows
        };
        Some(RefillPlan {
            rows,
            trouble,
            retreats: state.retreats,
        })
    }

    /// An outcome that was on its way has been stored, if its transaction was committed.
    pub(crate) fn returned(&self) -> Steps {
        let mut state = self.state.lock();
        state.returning -= 1;
        Steps {
            // A refill may have been requested in vain.
            refill: state.returning == 0 && state.wants_refill(),
            starts: 0,
        }
    }

    /// The transaction that stored the outcome failed: the outcome is on its way again.
    pub(crate) fn returns_again(&self) {
        self.state.lock().returning += 1;
    }

    pub(crate) fn refill_ended(&self) {
        self.state.lock().refilling = false;
    }

    /// The lane is empty: deliveries go to memory again. True if that ends a trouble. `None` if there has been a
    /// failure since: the failed delivery is on its way back to the lane.
    pub(crate) fn leave_lane(&self) -> Option<bool> {
        let keeps_lane = self.endpoint().keeps_lane;
        let mut state = self.state.lock();
        if state.returning > 0 {
            return None;
        }
        let recovered = state.health.backoff.failures > 0;
        state.lane = if keeps_lane { Lane::Kept } else { Lane::None };
        state.health.end_trouble();
        if !recovered && state.pace.ramps_up() {
            state.pace.restore();
        }
        Some(recovered)
    }
}
