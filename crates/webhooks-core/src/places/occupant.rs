//! Who takes places: one endpoint, and how fast it is known to answer.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU32, Ordering},
};

use super::share::{Answer, PLACE_LIMIT_MS};

/// Answers in time, one after the other, that prove an endpoint to be well.
const PROOF_ANSWERS: u32 = 8;
/// The part of a duration in the moving mean, as a divisor: the mean follows within a few requests.
const MEAN_PART: i64 = 4;
/// The mean counts in parts of a millisecond, or short durations would be lost in rounding.
const MEAN_SCALE: i64 = 64;

/// One endpoint as those who give places know it. Written and read under their lock, or where an
/// answer that is a moment old does no harm.
pub(crate) struct Occupant {
    customer: Arc<str>,
    /// The moving mean of how long its requests take.
    mean: AtomicI64,
    /// Its requests in flight that are overdue.
    overdue: AtomicU32,
    /// When the last of them became so.
    overdue_at: AtomicI64,
    /// Answers in time since the last one that was not.
    answers: AtomicU32,
    answered_at: AtomicI64,
}

impl Occupant {
    pub(crate) fn new(customer: Arc<str>) -> Self {
        Self {
            customer,
            mean: AtomicI64::new(0),
            overdue: AtomicU32::new(0),
            overdue_at: AtomicI64::new(i64::MIN),
            answers: AtomicU32::new(0),
            answered_at: AtomicI64::new(i64::MIN),
        }
    }

    pub(crate) fn customer(&self) -> &Arc<str> {
        &self.customer
    }

    /// Whether its requests take longer than a place in the fast share is for, or one that is in
    /// flight does and it has answered nothing since.
    pub(crate) fn is_slow(&self) -> bool {
        self.mean.load(Ordering::Relaxed) > PLACE_LIMIT_MS * MEAN_SCALE
            || self.overdue.load(Ordering::Relaxed) > 0 && !self.answered_since_overdue()
    }

    fn answered_since_overdue(&self) -> bool {
        self.answered_at.load(Ordering::Relaxed) > self.overdue_at.load(Ordering::Relaxed)
    }

    /// How long ago it last answered, in milliseconds, when its last answers were all in time.
    pub(crate) fn proof_age_ms(&self, now: i64) -> Option<i64> {
        let proven = self.answers.load(Ordering::Relaxed) >= PROOF_ANSWERS;
        proven.then(|| now.saturating_sub(self.answered_at.load(Ordering::Relaxed)))
    }

    pub(crate) fn became_overdue(&self, now: i64) {
        self.overdue.fetch_add(1, Ordering::Relaxed);
        self.overdue_at.store(now, Ordering::Relaxed);
    }

    pub(crate) fn no_longer_overdue(&self) {
        self.overdue.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request has taken so long until `now`.
    pub(crate) fn took(&self, now: i64, duration_ms: i64, answer: Answer) {
        let mean = self.mean.load(Ordering::Relaxed);
        let step = (duration_ms * MEAN_SCALE - mean) / MEAN_PART;
        self.mean.store(mean + step, Ordering::Relaxed);
        if answer == Answer::Success && duration_ms < PLACE_LIMIT_MS {
            let answers = self.answers.load(Ordering::Relaxed);
            self.answers
                .store(answers.saturating_add(1), Ordering::Relaxed);
            self.answered_at.store(now, Ordering::Relaxed);
        } else {
            self.answers.store(0, Ordering::Relaxed);
        }
    }
}
