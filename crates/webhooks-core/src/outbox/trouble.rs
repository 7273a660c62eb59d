//! What failures mean for an endpoint as a whole: trouble, and how long it is left alone.

use std::time::Duration;

use super::Outbox;
use crate::{attempt::Symptom, clock::millis};

/// Failures in a row that tell of trouble even when each could be about its event alone, or of a
/// moment's overload: when there was no success for [`FAILING_WAIT`], or after so many that it is
/// not by chance.
const FAILURES_IN_A_ROW: u32 = 5;
const FAILURES_IN_A_ROW_MAX: u32 = 40;
const FAILING_WAIT: Duration = Duration::from_secs(5);
/// The first wait of an endpoint in trouble, doubled with every failed probe up to the maximum:
/// a dead endpoint costs one request a minute, a restarted one is found within a minute.
const BACKOFF_FIRST: Duration = Duration::from_secs(5);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// An attempt that failed, as far as it tells of its endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedAttempt {
    pub(crate) started_at: i64,
    pub(crate) ended_at: i64,
    pub(crate) symptom: Symptom,
    /// What the receiver asked for.
    pub(crate) retry_after: Option<Duration>,
}

impl Outbox {
    /// Notes a failure. Returns what follows. When that is trouble, the outcome is counted as on
    /// its way until [`Outbox::returned`]; else an endpoint that is not well is slowed down.
    pub(crate) fn failed(&self, attempt: &FailedAttempt) -> FailedEndpoint {
        let now = attempt.ended_at;
        let endpoint = self.endpoint();
        let mut state = self.lock();
        state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
        let newly_failing = state.failing_since.is_none();
        let failing_since = *state.failing_since.get_or_insert(now);
        let in_a_row = state.failed_in_a_row >= FAILURES_IN_A_ROW_MAX
            || state.failed_in_a_row >= FAILURES_IN_A_ROW
                && now.saturating_sub(failing_since) >= millis(FAILING_WAIT);
        let asked_for = attempt.retry_after.filter(|wait| !wait.is_zero());
        let stops = match attempt.symptom {
            Symptom::Throttle => true,
            _ if asked_for.is_some() => true,
            // One that answered another request meanwhile is not down.
            Symptom::Down => state.succeeded_at <= attempt.started_at,
            Symptom::Overload | Symptom::Event => false,
        };
        let trouble = stops || in_a_row || endpoint.ordered || state.trouble;
        let newly_in_trouble = trouble && !state.trouble;
        let mut newly_slow = false;
        if trouble {
            state.retreats += 1;
            // Requests that were in flight together fail together: they count as one.
            if newly_in_trouble || now >= state.backoff_until {
                state.failures = state.failures.saturating_add(1);
                let doubled = BACKOFF_FIRST
                    .saturating_mul(1 << (state.failures - 1).min(10))
                    .min(BACKOFF_MAX);
                let wait = match asked_for {
                    // What is asked for again and again does not help.
                    Some(asked_for) if state.failures > 1 => asked_for.max(doubled),
                    Some(asked_for) => asked_for,
                    None => doubled,
                };
                state.backoff_until = now.saturating_add(millis(wait));
            } else if let Some(wait) = asked_for {
                state.backoff_until = state.backoff_until.max(now.saturating_add(millis(wait)));
            }
            state.laned = true;
            state.trouble = true;
            state.pace.stop();
            state.returning += 1;
        } else if attempt.symptom != Symptom::Event {
            newly_slow = state.pace.slow_down();
        }
        FailedEndpoint {
            trouble,
            newly_in_trouble,
            newly_slow,
            newly_failing,
            failing_since,
            backoff_until: state.backoff_until,
            failures: state.failures,
        }
    }

    /// For an ordered endpoint the head's own schedule is the backoff.
    pub(crate) fn back_off_until(&self, at: i64) {
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
        state.pace.stop();
    }
}

/// What a failure means for its endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedEndpoint {
    pub(crate) trouble: bool,
    pub(crate) newly_in_trouble: bool,
    /// It had its full width until now.
    pub(crate) newly_slow: bool,
    pub(crate) newly_failing: bool,
    pub(crate) failing_since: i64,
    pub(crate) backoff_until: i64,
    pub(crate) failures: u32,
}
