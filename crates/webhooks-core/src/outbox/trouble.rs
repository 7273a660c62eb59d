//! What the outcome of an attempt means for an endpoint as a whole.

use super::{Lane, Outbox, Steps, health::FailedAttempt};
use crate::{attempt::Symptom, model::outcome::Backoff};

/// How often a success is stored for other engines: an endpoint is disabled only after all of them have failed for
/// days.
const TELL_EVERY_MS: i64 = 3_600_000;

impl Outbox {
    /// Records a success at `now`. Returns whether it must be stored: because the endpoint had been failing, or
    /// because other engines must learn from time to time that it answers this one.
    pub(crate) fn succeeded(&self, now: i64) -> (bool, Steps) {
        let shares = self.endpoint().shares;
        let mut state = self.state.lock();
        state.health.answered(now);
        let was_failing = state.health.failing_since.take().is_some();
        let is_told = shares && now.saturating_sub(state.health.told_at) >= TELL_EVERY_MS;
        if is_told {
            state.health.told_at = now;
        }
        if state.lane == Lane::Stopped {
            state.lane = Lane::Flowing;
        }
        state.pace.succeeded();
        let refill = state.wants_refill();
        // More requests may be allowed in flight than there are workers.
        let mut starts = 0;
        while state.queue.rows.len() > starts && state.counts_in_worker() {
            starts += 1;
        }
        (was_failing || is_told, Steps { starts, refill })
    }

    /// Records that it answered another engine at `at`: this engine has to fail for as long after that as policy says
    /// before it disables the endpoint.
    #[cfg(feature = "postgres")]
    pub(crate) fn answered_another(&self, at: i64) {
        let mut state = self.state.lock();
        if let Some(since) = &mut state.health.failing_since {
            *since = at.max(*since);
        }
    }

    /// Records a failure and returns what follows from it. If that is trouble, the outcome is counted as on its
    /// way until [`Outbox::returned`]; otherwise an endpoint that is not well is slowed down.
    pub(crate) fn failed(&self, attempt: &FailedAttempt) -> FailedEndpoint {
        let is_ordered = self.endpoint().ordered;
        let mut state = self.state.lock();
        let (newly_failing, failing_since) = state.health.failed(attempt.ended_at);
        let was_stopped = state.lane == Lane::Stopped;
        let trouble = is_ordered || was_stopped || state.health.stops(attempt, failing_since);
        let mut newly_slow = false;
        if trouble {
            state.retreats += 1;
            if was_stopped {
                state.health.prolong_trouble(attempt);
            } else {
                state.health.begin_trouble(attempt);
            }
            state.lane = Lane::Stopped;
            state.pace.stop();
            state.returning += 1;
        } else if attempt.symptom != Symptom::Event {
            newly_slow = state.pace.slow_down();
        }
        FailedEndpoint {
            trouble,
            newly_in_trouble: trouble && !was_stopped,
            newly_slow,
            newly_failing,
            failing_since,
            backoff: state.health.backoff,
        }
    }

    /// The time until which the lane is left alone.
    pub(crate) fn backoff_until(&self) -> i64 {
        self.state.lock().health.backoff.until
    }

    /// Since when every attempt has failed, on the timeline.
    pub(crate) fn failing_since(&self) -> Option<i64> {
        self.state.lock().health.failing_since
    }

    /// Whether the endpoint's lane is tried with one delivery from time to time.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.state.lock().lane == Lane::Stopped
    }

    /// For an ordered endpoint, the backoff is the retry schedule of its first delivery.
    pub(crate) fn back_off_until(&self, at: i64) {
        self.state.lock().health.backoff.until = at;
    }

    /// Takes over what the store knows about the lane after another engine had it: whether the endpoint is in
    /// trouble, and until when it is left alone.
    #[cfg(feature = "postgres")]
    pub(crate) fn take_over_lane(&self, backoff: Backoff) {
        let mut state = self.state.lock();
        if backoff.failures > 0 && state.health.backoff == backoff {
            // This engine stored that itself, and nobody has changed it since: memory is more recent.
            state.has_lane();
        } else if backoff.failures > 0 {
            if state.lane != Lane::Stopped {
                state.lane = Lane::Stopped;
                state.pace.stop();
            }
            state.health.backoff = backoff;
        } else if state.lane == Lane::Stopped {
            state.lane = Lane::Flowing;
            state.health.end_trouble();
        } else {
            state.has_lane();
        }
    }

    /// Forgets past trouble: a person says that the endpoint is well, or wants it tried now.
    pub(crate) fn forgive(&self) {
        let mut state = self.state.lock();
        if state.lane == Lane::Stopped {
            state.lane = Lane::Flowing;
        }
        state.health.end_trouble();
        state.health.failed_in_a_row = 0;
        state.health.failing_since = None;
        state.pace.stop();
    }
}

/// What a failure means for its endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedEndpoint {
    pub(crate) trouble: bool,
    pub(crate) newly_in_trouble: bool,
    /// Whether it had its full width until now.
    pub(crate) newly_slow: bool,
    pub(crate) newly_failing: bool,
    pub(crate) failing_since: i64,
    pub(crate) backoff: Backoff,
}
