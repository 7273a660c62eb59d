//! Metrics that are emitted as things happen.

use std::time::Instant;

use ::metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::{attempt::Failure, model::outcome::AttemptRecord};

const EVENTS_ACCEPTED: &str = "webhooks_events_accepted_total";
const ATTEMPTS: &str = "webhooks_attempts_total";
const ATTEMPT_DURATION: &str = "webhooks_attempt_duration_seconds";
const COMMIT_JOBS: &str = "webhooks_commit_jobs";
const COMMIT_DURATION: &str = "webhooks_commit_duration_seconds";

/// Describes each metric to the recorder.
pub(super) fn describe() {
    describe_counter!(
        EVENTS_ACCEPTED,
        Unit::Count,
        "Events that were stored, not counting duplicates."
    );
    describe_counter!(
        ATTEMPTS,
        Unit::Count,
        "Requests that were made, by outcome: success or the kind of failure."
    );
    describe_histogram!(
        ATTEMPT_DURATION,
        Unit::Seconds,
        "From the start of a request to the end of its answer, or to the failure."
    );
    describe_histogram!(
        COMMIT_JOBS,
        Unit::Count,
        "Sends, changes and outcomes that one transaction stored."
    );
    describe_histogram!(
        COMMIT_DURATION,
        Unit::Seconds,
        "From the beginning of a transaction until it is on disk."
    );
}

/// An attempt has ended.
pub(crate) fn attempted(record: &AttemptRecord) {
    let outcome = record.failure.as_ref().map_or("success", Failure::code);
    counter!(ATTEMPTS, "outcome" => outcome).increment(1);
    histogram!(ATTEMPT_DURATION, "outcome" => outcome).record(record.duration);
}

/// Events were committed.
pub(crate) fn accepted(events: u64) {
    if events > 0 {
        counter!(EVENTS_ACCEPTED).increment(events);
    }
}

/// Measures one transaction.
pub(crate) struct CommitClock(Instant);

impl CommitClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn committed(&self, jobs: usize) {
        if jobs > 0 {
            histogram!(COMMIT_JOBS).record(u32::try_from(jobs).unwrap_or(u32::MAX));
            histogram!(COMMIT_DURATION).record(self.0.elapsed());
        }
    }
}
