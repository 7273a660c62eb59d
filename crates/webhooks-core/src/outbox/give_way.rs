//! Giving way to another engine that is to have the lane: nothing more is loaded from it, waiting deliveries go
//! back to it, and once none of them is in flight the lane is passed on.

use super::{GivenBack, Lane, Outbox};

impl Outbox {
    /// Begins to give way, because another engine takes over the lane: deliveries that wait in memory are returned
    /// to the lane.
    pub(crate) fn give_way(&self, now: i64) -> Vec<GivenBack> {
        self.state.lock().gives_way = true;
        self.give_all_back(now)
    }

    pub(crate) fn gives_way(&self) -> bool {
        self.state.lock().gives_way
    }

    /// When the next request to the endpoint may start, whichever engine makes it; `None` while something is in
    /// flight or on its way back to the lane. A refill is requested when that has ended.
    pub(crate) fn goes_at(&self, now: i64) -> Option<i64> {
        let interval = self.endpoint().interval;
        let state = self.state.lock();
        let next_at = state.pace.wait_until(now, interval).unwrap_or(now);
        (!state.is_busy()).then_some(next_at)
    }

    /// The lane now belongs to another engine.
    pub(crate) fn gave_way(&self) {
        let mut state = self.state.lock();
        state.gives_way = false;
        if state.lane == Lane::Flowing {
            state.lane = Lane::Kept;
        }
    }

    /// The lane stays with this engine.
    pub(crate) fn stays(&self) {
        self.state.lock().gives_way = false;
    }
}
