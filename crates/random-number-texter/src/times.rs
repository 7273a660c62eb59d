//! The texter's time limits, and its clock.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;

/// A day as Unix time counts it, without leap seconds.
const DAY_S: i64 = 24 * 60 * 60;

/// Gives the time; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock of this machine.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// The time limits of one webhook. Looking a text up and then sending it fits into `answer`, and
/// `answer` fits into the 15 seconds that a sender of webhooks waits.
#[derive(Debug, Clone)]
pub struct TimeLimits {
    /// To reach Twilio at all: name, connection and TLS.
    pub connect: Duration,
    /// For Twilio to accept a text, from the first byte sent to the last byte of its answer.
    pub create: Duration,
    /// For Twilio to list its texts.
    pub look_up: Duration,
    /// Until a webhook is answered, with 503 if its text is still being sent.
    pub answer: Duration,
    /// After a connection that broke before Twilio's answer: a text that is not listed is not sent
    /// again before then.
    pub settle_broken_off: Duration,
    /// The same after silence, when Twilio may still have been working: longer than any gateway
    /// keeps a request.
    pub settle_silent: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            create: Duration::from_secs(8),
            look_up: Duration::from_secs(5),
            answer: Duration::from_secs(14),
            settle_broken_off: Duration::from_secs(30),
            settle_silent: Duration::from_secs(90),
        }
    }
}

/// The UTC day of `at`, like `2015-09-28`.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// How long until the next UTC day; never zero.
pub(crate) fn until_midnight(at: Timestamp) -> Duration {
    let elapsed_s = at.as_second().rem_euclid(DAY_S);
    Duration::from_secs(u64::try_from(DAY_S - elapsed_s).unwrap_or(1))
}

/// `at` and `later`; stays in range.
pub(crate) fn after(at: Timestamp, later: Duration) -> Timestamp {
    at.checked_add(later).unwrap_or(Timestamp::MAX)
}

/// `at` as the standard library's type; 1970 for earlier times.
pub(crate) fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + remaining(Timestamp::UNIX_EPOCH, at)
}

/// The time from `now` to `at`; zero if that has passed.
pub(crate) fn remaining(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_ends_at_midnight_in_greenwich() {
        let evening: Timestamp = "2015-09-28T23:59:58.5Z".parse().unwrap();
        assert_eq!(day(evening), "2015-09-28");
        assert_eq!(until_midnight(evening), Duration::from_secs(2));
        let midnight: Timestamp = "2015-09-29T00:00:00Z".parse().unwrap();
        assert_eq!(until_midnight(midnight), Duration::from_secs(86_400));
    }

    #[test]
    fn what_has_passed_needs_no_wait() {
        let now: Timestamp = "2015-09-28T10:00:00Z".parse().unwrap();
        let later = after(now, Duration::from_secs(30));
        assert_eq!(remaining(now, later), Duration::from_secs(30));
        assert_eq!(remaining(later, now), Duration::ZERO);
    }
}
