//! Loading a lane's next rows into memory, and leaving the lane when there are none.

use super::{Lane, Outbox, Steps};
use crate::endpoint::EndpointState;

/// What a refill may load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefillPlan {
    pub(crate) rows: usize,
    /// Only what is due, after expiring what waited too long.
    pub(crate) trouble: bool,
    /// The retreats until then; after another one, what was loaded goes back.
    pub(crate) retreats: u64,
}

impl Outbox {
    /// Has a lane loaded that nothing in memory would come back to. Not by way of the due scan: that
    /// has only the places for endpoints in trouble, and those that hang can have all of them.
    pub(crate) fn wake(&self) -> Steps {
        Steps {
            refill: !std::mem::replace(&mut self.state.lock().refilling, true),
            starts: 0,
        }
    }

    /// The store refused the refill that was asked for. Until [`Outbox::refill_ended`] no other is:
    /// at once it would be refused again.
    pub(crate) fn refill_refused(&self) {
        self.state.lock().refilling = true;
    }

    /// After a transaction that failed: memory may be ahead of the store. Looks at the lane again,
    /// unless that is asked for already: each failure must not ask for more than the one before.
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

    /// What a refill may load; `None` while the endpoint is paused or disabled, not all of the
    /// lane is in the store, or it is about to be another engine's.
    pub(crate) fn plan_refill(&self) -> Option<RefillPlan> {
        let endpoint = self.endpoint();
        let mut state = self.state.lock();
        // Memory comes back by itself while much waits in it.
        let is_full = state.lane != Lane::Stopped && state.queue.rows.len() > state.loads.below;
        // Whoever asks has found something in the lane, or looks whether there is: it may be another
        // engine's, of which memory was not told, and the date of the lane may be gone with this answer.
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

    /// An outcome that was on its way is stored, if its transaction is committed.
    pub(crate) fn returned(&self) -> Steps {
        let mut state = self.state.lock();
        state.returning -= 1;
        Steps {
            // A refill may have been asked for in vain.
            refill: state.returning == 0 && state.wants_refill(),
            starts: 0,
        }
    }

    /// The transaction failed that stored the outcome: it is on its way once more.
    pub(crate) fn returns_again(&self) {
        self.state.lock().returning += 1;
    }

    pub(crate) fn refill_ended(&self) {
        self.state.lock().refilling = false;
    }

    /// The lane is empty: deliveries go to memory again. True when that ends a trouble. `None` when
    /// there has been a failure since: what failed is on its way back to the lane.
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
