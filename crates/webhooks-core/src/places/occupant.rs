//! An endpoint that takes places, and how fast it is known to answer.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU32, Ordering},
};

use super::share::{Answer, PLACE_LIMIT_MS};

/// The number of timely answers in a row that prove that an endpoint is well.
const PROOF_ANSWERS: u32 = 8;
/// The weight of a new duration in the moving mean, as a divisor: the mean follows within a few requests.
const MEAN_PART: i64 = 4;
/// The mean is kept in fractions of a millisecond; otherwise short durations would be lost in rounding.
const MEAN_SCALE: i64 = 64;

/// One endpoint, as the code that assigns places knows it. It is written and read under that code's lock, or where
/// a slightly outdated value does no harm.
pub(crate) struct Occupant {
    customer: Arc<str>,
    /// The moving mean of its requests' durations.
    mean: AtomicI64,
    /// The number of its requests in flight that are overdue.
    overdue: AtomicU32,
    /// When the last of them became overdue.
    overdue_at: AtomicI64,
    /// Timely answers since the last one that was not.
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

    /// Whether its requests take longer than the fast share allows, or one that is in flight does and the endpoint
    /// has answered nothing since.
    pub(crate) fn is_slow(&self) -> bool {
        self.mean.load(Ordering::Relaxed) > PLACE_LIMIT_MS * MEAN_SCALE
            || self.overdue.load(Ordering::Relaxed) > 0 && !self.answered_since_overdue()
    }

    fn answered_since_overdue(&self) -> bool {
        self.answered_at.load(Ordering::Relaxed) > self.overdue_at.load(Ordering::Relaxed)
    }

    /// How long ago it last answered, in milliseconds, if its last answers were all in time.
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

    /// A request that ended at `now` has taken `duration_ms`.
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
