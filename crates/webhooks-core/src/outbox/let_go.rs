//! Releasing an endpoint when its engine ends while others carry on.

use super::Outbox;
use crate::model::delivery::ClaimedDelivery;

/// What an outbox releases.
pub(crate) struct LetGo {
    /// The deliveries that waited. They count as returning until [`Outbox::is_let_go`].
    pub(crate) rows: Vec<ClaimedDelivery>,
    /// When the next request to the endpoint may start, if none is in flight and nothing else is on its
    /// way back to the lane.
    pub(crate) free_at: Option<i64>,
}

impl Outbox {
    /// Releases what waits in memory at `now`.
    pub(crate) fn let_go(&self, now: i64) -> LetGo {
        let interval = self.endpoint().interval;
        let mut state = self.state.lock();
        state.has_lane();
        state.retreats += 1;
        let is_busy = state.is_busy() || state.refilling;
        let rows: Vec<ClaimedDelivery> = std::mem::take(&mut state.queue.rows).into();
        for row in &rows {
            self.count_out(&mut state, row);
        }
        state.returning += rows.len();
        let next_at = state.pace.wait_until(now, interval).unwrap_or(now);
        drop(state);
        self.called_off.notify_waiters();
        LetGo {
            rows,
            free_at: (!is_busy).then_some(next_at),
        }
    }

    /// `rows` rows that were released are now free in the store.
    pub(crate) fn is_let_go(&self, rows: usize) {
        self.state.lock().returning -= rows;
    }
}
