//! How an endpoint answers, and how long it is left alone.

use std::time::Duration;

use crate::{attempt::Symptom, clock::millis, model::outcome::Backoff};

/// The number of failures in a row that mean trouble, even if each could concern only its own event or be a
/// momentary overload: [`FAILURES_IN_A_ROW`] if there was no success for [`FAILING_WAIT`], or
/// [`FAILURES_IN_A_ROW_MAX`], which cannot be chance.
const FAILURES_IN_A_ROW: u32 = 5;
const FAILURES_IN_A_ROW_MAX: u32 = 40;
const FAILING_WAIT: Duration = Duration::from_secs(5);
/// The first wait of an endpoint in trouble, doubled with every failed probe up to the maximum: a dead endpoint
/// costs one request a minute, and a restarted one is found within a minute.
const BACKOFF_FIRST: Duration = Duration::from_secs(5);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// After this many 2xx answers the trouble counts as over, even if much is still waiting: the next trouble is a
/// new one. It is more than what an endpoint that goes down again immediately can have had in flight.
const ANSWERS_TO_FORGET: u32 = 32;

/// A failed attempt, as far as it says something about its endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedAttempt {
    pub(crate) started_at: i64,
    pub(crate) ended_at: i64,
    pub(crate) symptom: Symptom,
    /// The wait that the receiver asked for.
    pub(crate) retry_after: Option<Duration>,
}

/// How an endpoint answers, and how long it is left alone.
pub(super) struct Health {
    pub(super) backoff: Backoff,
    /// 2xx answers since it was last left alone.
    answers: u32,
    pub(super) failed_in_a_row: u32,
    /// Since when every attempt has failed, on the timeline.
    pub(super) failing_since: Option<i64>,
    /// When it last answered with a 2xx.
    pub(super) succeeded_at: i64,
    /// When that was last stored for other engines.
    pub(super) told_at: i64,
}

impl Health {
    pub(super) fn new(backoff: Backoff, failing_since: Option<i64>) -> Self {
        Self {
            backoff,
            answers: 0,
            failed_in_a_row: 0,
            failing_since,
            succeeded_at: i64::MIN,
            told_at: i64::MIN,
        }
    }

    /// Records a 2xx answer.
    pub(super) fn answered(&mut self, now: i64) {
        self.answers = self.answers.saturating_add(1);
        self.failed_in_a_row = 0;
        self.succeeded_at = now;
    }

    pub(super) fn end_trouble(&mut self) {
        self.backoff = Backoff::default();
    }

    /// Records a failure. Returns whether it is the first since a success, and since when the endpoint has been
    /// failing.
    pub(super) fn failed(&mut self, now: i64) -> (bool, i64) {
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        let is_first = self.failing_since.is_none();
        (is_first, *self.failing_since.get_or_insert(now))
    }

    /// Whether this attempt means that the endpoint must be left alone.
    pub(super) fn stops(&self, attempt: &FailedAttempt, failing_since: i64) -> bool {
        let in_a_row = self.failed_in_a_row >= FAILURES_IN_A_ROW_MAX
            || self.failed_in_a_row >= FAILURES_IN_A_ROW
                && attempt.ended_at.saturating_sub(failing_since) >= millis(FAILING_WAIT);
        in_a_row
            || match attempt.symptom {
                Symptom::Throttle => true,
                _ if attempt.asked_for().is_some() => true,
                // An endpoint that answered another request meanwhile is not down.
                Symptom::Down => self.succeeded_at <= attempt.started_at,
                Symptom::Overload | Symptom::Event => false,
            }
    }

    /// Starts the backoff of an endpoint that was not in trouble until this attempt.
    pub(super) fn begin_trouble(&mut self, attempt: &FailedAttempt) {
        if self.answers >= ANSWERS_TO_FORGET {
            self.backoff.failures = 0;
        }
        self.back_off(attempt);
    }

    /// Prolongs the backoff of an endpoint in trouble. Requests that were in flight together fail together: they
    /// count as one.
    pub(super) fn prolong_trouble(&mut self, attempt: &FailedAttempt) {
        if attempt.ended_at >= self.backoff.until {
            self.back_off(attempt);
            return;
        }
        self.answers = 0;
        if let Some(wait) = attempt.asked_for() {
            let until = attempt.ended_at.saturating_add(millis(wait));
            self.backoff.until = self.backoff.until.max(until);
        }
    }

    fn back_off(&mut self, attempt: &FailedAttempt) {
        self.answers = 0;
        let backoff = &mut self.backoff;
        backoff.failures = backoff.failures.saturating_add(1);
        let doubled = BACKOFF_FIRST
            .saturating_mul(1 << (backoff.failures - 1).min(10))
            .min(BACKOFF_MAX);
        let wait = match attempt.asked_for() {
            // If what it asks for has not helped before, it does not help now.
            Some(asked_for) if backoff.failures > 1 => asked_for.max(doubled),
            Some(asked_for) => asked_for,
            None => doubled,
        };
        backoff.until = attempt.ended_at.saturating_add(millis(wait));
    }
}

impl FailedAttempt {
    fn asked_for(&self) -> Option<Duration> {
        self.retry_after.filter(|wait| !wait.is_zero())
    }
}
