//! Loading a lane's next rows into memory, and leaving the lane when there are none.

use std::sync::Arc;

use super::{Outbox, State};
use crate::{
    endpoint::EndpointState,
    engine::Shared,
    store::{
        error::StoreError,
        sqlite::{act::Act, lane},
    },
};

/// Rows that a healthy lane loads at once, and at how many it loads more.
const REFILL_ROWS: usize = 256;
const REFILL_BELOW: usize = 64;

/// The wait after a refill that the store refused.
const REFUSED_WAIT_MS: i64 = 1_000;

/// What a refill may load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefillPlan {
    pub(crate) rows: usize,
    /// Only what is due, after expiring what waited too long.
    pub(crate) trouble: bool,
    /// The retreats until then; after another one, what was loaded goes back.
    pub(crate) retreats: u64,
}

impl Outbox {
    pub(super) fn wants_refill(state: &mut State) -> bool {
        let wanted =
            state.laned && !state.trouble && !state.refilling && state.queue.len() <= REFILL_BELOW;
        if wanted {
            state.refilling = true;
        }
        wanted
    }

    /// Has a lane loaded that nothing in memory would come back to. Not by way of the due scan: that
    /// has only the places for endpoints in trouble, and those that hang can have all of them.
    pub(crate) fn wake(self: &Arc<Self>, shared: &Arc<Shared>) {
        if !std::mem::replace(&mut self.lock().refilling, true) {
            self.ask_for_refill(shared);
        }
    }

    pub(crate) fn ask_for_refill(self: &Arc<Self>, shared: &Arc<Shared>) {
        let outbox = Arc::clone(self);
        let failed = Arc::clone(self);
        let shared_again = Arc::clone(shared);
        shared.queue.act(Act::new(
            move |context| lane::refill(context, &outbox, false),
            move |result: Result<(), StoreError>| {
                if let Err(error) = result {
                    failed.look_again_later(&shared_again, &error);
                }
            },
        ));
    }

    /// After a refill that the store refused: at once it would be refused again.
    fn look_again_later(self: &Arc<Self>, shared: &Arc<Shared>, error: &StoreError) {
        tracing::warn!(
            endpoint.id = %self.endpoint().id,
            %error,
            "what waits for an endpoint could not be loaded; trying again in a second"
        );
        self.lock().refilling = true;
        let (outbox, shared_again) = (Arc::clone(self), Arc::clone(shared));
        shared.spawn(async move {
            let shared = shared_again;
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
            outbox.lane_is_uncertain(&shared);
        });
    }

    /// After a transaction that failed: memory may be ahead of the store. Looks at the lane again,
    /// unless that is asked for already: each failure must not ask for more than the one before.
    pub(crate) fn lane_is_uncertain(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut state = self.lock();
        state.laned = true;
        let trouble = state.trouble;
        drop(state);
        if !trouble {
            self.wake(shared);
        }
    }

    /// What a refill may load; `None` while the endpoint is paused or disabled, or not all of the
    /// lane is in the store.
    pub(crate) fn plan_refill(&self, shared: &Shared) -> Option<RefillPlan> {
        let endpoint = self.endpoint();
        let mut state = self.lock();
        if endpoint.state != EndpointState::Active || state.returning > 0 {
            return None;
        }
        state.refilling = true;
        let rows = if state.trouble || shared.is_memory_full() {
            1
        } else if state.pace.ramps_up() {
            state.pace.width()
        } else {
            REFILL_ROWS
        };
        Some(RefillPlan {
            rows,
            trouble: state.trouble,
            retreats: state.retreats,
        })
    }

    /// An outcome that was on its way is stored, if its transaction is committed.
    pub(crate) fn returned(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut state = self.lock();
        state.returning -= 1;
        // A refill may have been asked for in vain.
        let refill = state.returning == 0 && Self::wants_refill(&mut state);
        drop(state);
        if refill {
            self.ask_for_refill(shared);
        }
    }

    /// The transaction failed that stored the outcome: it is on its way once more.
    pub(crate) fn returns_again(&self) {
        self.lock().returning += 1;
    }

    pub(crate) fn refill_ended(&self) {
        self.lock().refilling = false;
    }

    /// The lane is empty: deliveries go to memory again. True when that ends a trouble. `None` when
    /// there has been a failure since: what failed is on its way back to the lane.
    pub(crate) fn leave_lane(&self) -> Option<bool> {
        let mut state = self.lock();
        if state.returning > 0 {
            return None;
        }
        let recovered = state.failures > 0;
        state.laned = false;
        state.trouble = false;
        state.failures = 0;
        state.backoff_until = 0;
        if !recovered && state.pace.ramps_up() {
            state.pace.restore();
        }
        Some(recovered)
    }
}
