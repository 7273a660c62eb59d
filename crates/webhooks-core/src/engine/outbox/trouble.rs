//! What failures mean for an endpoint as a whole: trouble, and how long it is left alone.

use std::time::Duration;

use super::Outbox;

/// Failures in a row that tell of trouble even when each could be about its event alone.
const FAILURES_IN_A_ROW: u32 = 5;
/// The first wait of an endpoint in trouble, doubled with every failed probe up to the maximum:
/// a dead endpoint costs one request a minute, a restarted one is found within a minute.
const BACKOFF_FIRST: Duration = Duration::from_secs(5);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

impl Outbox {
    /// Notes a failure. `trouble`: of the endpoint as a whole. Returns what follows. When that is
    /// trouble, the outcome is counted as on its way until [`Outbox::returned`].
    pub(in crate::engine) fn failed(
        &self,
        now: i64,
        trouble: bool,
        retry_after: Option<Duration>,
    ) -> FailedEndpoint {
        let endpoint = self.endpoint();
        let mut state = self.lock();
        state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
        let newly_failing = state.failing_since.is_none();
        let failing_since = *state.failing_since.get_or_insert(now);
        let trouble = trouble
            || endpoint.ordered
            || state.trouble
            || state.failed_in_a_row >= FAILURES_IN_A_ROW;
        let newly_in_trouble = trouble && !state.trouble;
        if trouble {
            state.retreats += 1;
            // Requests that were in flight together fail together: they count as one.
            if newly_in_trouble || now >= state.backoff_until {
                state.failures = state.failures.saturating_add(1);
                let doubled = BACKOFF_FIRST
                    .saturating_mul(1 << (state.failures - 1).min(10))
                    .min(BACKOFF_MAX);
                let wait = doubled.max(retry_after.unwrap_or_default());
                state.backoff_until = now.saturating_add(crate::clock::millis(wait));
            } else if let Some(wait) = retry_after {
                state.backoff_until = state
                    .backoff_until
                    .max(now.saturating_add(crate::clock::millis(wait)));
            }
            state.laned = true;
            state.trouble = true;
            state.width = 1;
            state.returning += 1;
        }
        FailedEndpoint {
            trouble,
            newly_in_trouble,
            newly_failing,
            failing_since,
            backoff_until: state.backoff_until,
            failures: state.failures,
        }
    }

    /// For an ordered endpoint the head's own schedule is the backoff.
    pub(in crate::engine) fn back_off_until(&self, at: i64) {
        self.lock().backoff_until = at;
    }

    /// Forgets past trouble: a person says that the endpoint is well, or wants it tried now.
    pub(crate) fn forgive(&self) {
        let mut state = self.lock();
        state.trouble = false;
        state.failures = 0;
        state.backoff_until = 0;
        state.failed_in_a_row = 0;
        state.failing_since = None;
        state.width = 1;
    }
}

/// What a failure means for its endpoint.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct FailedEndpoint {
    pub(in crate::engine) trouble: bool,
    pub(in crate::engine) newly_in_trouble: bool,
    pub(in crate::engine) newly_failing: bool,
    pub(in crate::engine) failing_since: i64,
    pub(in crate::engine) backoff_until: i64,
    pub(in crate::engine) failures: u32,
}
