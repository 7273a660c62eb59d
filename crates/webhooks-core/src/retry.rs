//! When a failed delivery is tried again.

use std::time::{Duration, SystemTime};

use rand::RngExt;

/// The longest wait that a receiver's `Retry-After` can ask for; longer waits are cut to this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// The maximum number of attempts that a schedule can have.
pub const ATTEMPTS_MAX: usize = 50;

/// The jitter: up to this share of each wait is added at random, so that deliveries that failed together do not
/// all come back together.
const JITTER: f64 = 0.1;

/// The waits before each attempt of a delivery; the first is 0 s.
///
/// The default is the schedule of Standard Webhooks: 0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. Up
/// to a tenth is added at random to each wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    waits: Vec<Duration>,
}

/// A schedule was refused.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryScheduleError {
    /// More attempts than [`ATTEMPTS_MAX`].
    #[error("a retry schedule has at most {ATTEMPTS_MAX} attempts, not {0}")]
    TooMany(usize),
    /// A wait of more than thirty days.
    #[error("a wait of {0:?} is too long: the limit is 30 days")]
    TooLong(Duration),
}

crate::error_text::debug_is_display!(RetryScheduleError);

impl Default for RetrySchedule {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(m * 60);
        let hours = |h: u64| Duration::from_secs(h * 3600);
        let waits = vec![
            Duration::ZERO,
            Duration::from_secs(5),
            minutes(5),
            minutes(30),
            hours(2),
            hours(5),
            hours(10),
            hours(14),
            hours(20),
            hours(24),
        ];
        Self { waits }
    }
}

impl RetrySchedule {
    /// One attempt immediately, then one after each of `waits`.
    ///
    /// # Errors
    /// There are too many waits, or one is too long.
    pub fn new(waits: impl IntoIterator<Item = Duration>) -> Result<Self, RetryScheduleError> {
        let waits: Vec<Duration> = std::iter::once(Duration::ZERO).chain(waits).collect();
        if waits.len() > ATTEMPTS_MAX {
            return Err(RetryScheduleError::TooMany(waits.len()));
        }
        if let Some(long) = waits
            .iter()
            .find(|wait| **wait > Duration::from_secs(30 * 24 * 3600))
        {
            return Err(RetryScheduleError::TooLong(*long));
        }
        Ok(Self { waits })
    }

    /// How many attempts a delivery gets.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.waits.len()).unwrap_or(u32::MAX)
    }

    /// The time from the first attempt to the last, without jitter: how long a delivery is tried for.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.waits.iter().sum()
    }

    /// The wait after `made` attempts, with jitter; `None` when there is no further attempt.
    pub(crate) fn wait_after(&self, made: u32) -> Option<Duration> {
        let wait = self.waits.get(usize::try_from(made).ok()?)?;
        Some(wait.mul_f64(1.0 + rand::rng().random_range(0.0..JITTER)))
    }

    pub(crate) fn to_seconds(&self) -> Vec<f64> {
        self.waits
            .iter()
            .skip(1)
            .map(Duration::as_secs_f64)
            .collect()
    }
}

/// The wait that a `Retry-After` header asks for, as seconds or an HTTP date (RFC 9110, section 10.2.3), cut to
/// [`RETRY_AFTER_MAX`]. Anything else is ignored.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        // More digits than a u64 holds still means "very long".
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value)
            .ok()?
            .duration_since(now)
            .unwrap_or(Duration::ZERO)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_ten_attempts_over_three_days() {
        let schedule = RetrySchedule::default();
        assert_eq!(schedule.attempts(), 10);
        assert_eq!(
            schedule.span(),
            Duration::from_secs(5 + 35 * 60 + 75 * 3600)
        );
        let wait = schedule.wait_after(1).unwrap();
        assert!(
            wait >= Duration::from_secs(5) && wait < Duration::from_millis(5_501),
            "{wait:?}"
        );
        assert_eq!(schedule.wait_after(10), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_a_cap() {
        let now = httpdate::parse_http_date("Thu, 24 Aug 2023 05:00:00 GMT").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Thu, 24 Aug 2023 05:01:00 GMT", now),
            Some(Duration::from_secs(60))
        );
        assert_eq!(
            retry_after("Thu, 24 Aug 2023 04:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(
            retry_after("99999999999999999999999", now),
            Some(RETRY_AFTER_MAX)
        );
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
        assert_eq!(retry_after("", now), None);
    }
}
