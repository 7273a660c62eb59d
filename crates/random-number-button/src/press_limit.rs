//! How often the button may be pressed. Each press costs a text, so the limit is for everybody
//! together, not for each visitor.

use std::{
    collections::VecDeque,
    num::NonZeroU32,
    time::{Duration, SystemTime},
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many presses are allowed; both limits apply, and `None` means no limit.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Within any 60 seconds.
    pub a_minute: Option<NonZeroU32>,
    /// Within any 24 hours.
    pub a_day: Option<NonZeroU32>,
}

/// The presses of the last 24 hours.
#[derive(Debug)]
pub(crate) struct PressLimit {
    allowed: Allowed,
    /// Oldest first; never longer than the larger limit.
    pressed_at: VecDeque<SystemTime>,
}

/// The limit is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "The button was pressed {limit} times within the last {}, which is the limit, since each press costs a text. Nothing was generated. Press again in {}.",
    if self.period == MINUTE { "minute" } else { "24 hours" },
    spoken(self.wait)
)]
pub(crate) struct TooMany {
    limit: u32,
    period: Duration,
    /// When the next press is allowed.
    pub(crate) wait: Duration,
}

impl Allowed {
    /// How many presses must be remembered.
    fn most(self) -> usize {
        let most = [self.a_minute, self.a_day].into_iter().flatten().max();
        most.map_or(0, |limit| limit.get() as usize)
    }
}

impl PressLimit {
    pub(crate) fn new(allowed: Allowed) -> Self {
        Self {
            allowed,
            pressed_at: VecDeque::new(),
        }
    }

    /// Counts presses from before a restart.
    pub(crate) fn restore(&mut self, pressed_at: impl IntoIterator<Item = SystemTime>) {
        let mut pressed_at: Vec<SystemTime> = pressed_at.into_iter().collect();
        pressed_at.sort_unstable();
        let kept = pressed_at.len().saturating_sub(self.allowed.most());
        self.pressed_at = pressed_at.split_off(kept).into();
    }

    /// Counts a press at `now`, or says how long to wait.
    pub(crate) fn press(&mut self, now: SystemTime) -> Result<(), TooMany> {
        // A press from the future means that the clock was set back; it must not block presses forever.
        self.pressed_at
            .retain(|at| now.duration_since(*at).is_ok_and(|age| age < DAY));
        let Allowed { a_minute, a_day } = self.allowed;
        for (limit, period) in [(a_day, DAY), (a_minute, MINUTE)] {
            let Some(limit) = limit.map(NonZeroU32::get) else {
                continue;
            };
            if let Some(wait) = self.wait(limit, period, now) {
                return Err(TooMany {
                    limit,
                    period,
                    wait,
                });
            }
        }
        self.pressed_at.push_back(now);
        while self.pressed_at.len() > self.allowed.most() {
            self.pressed_at.pop_front();
        }
        Ok(())
    }

    /// Uncounts the last press, which failed.
    pub(crate) fn take_back(&mut self) {
        self.pressed_at.pop_back();
    }

    fn wait(&self, limit: u32, period: Duration, now: SystemTime) -> Option<Duration> {
        let nth_last = self.pressed_at.len().checked_sub(limit as usize)?;
        let oldest = self.pressed_at.get(nth_last)?;
        period
            .checked_sub(now.duration_since(*oldest).ok()?)
            .filter(|wait| !wait.is_zero())
    }
}

/// A wait in words, rounded up.
fn spoken(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let (count, unit) = match seconds {
        0..=90 => (seconds, "second"),
        91..=5_400 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(a_minute: u32, a_day: u32) -> PressLimit {
        PressLimit::new(Allowed {
            a_minute: NonZeroU32::new(a_minute),
            a_day: NonZeroU32::new(a_day),
        })
    }

    fn second(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second)
    }

    #[test]
    fn the_press_after_the_minutes_last_waits_until_the_first_is_a_minute_old() {
        let mut limit = limit(2, 100);
        limit.press(second(0)).unwrap();
        limit.press(second(10)).unwrap();
        let refused = limit.press(second(18)).unwrap_err();
        assert_eq!(refused.wait, Duration::from_secs(42));
        assert_eq!(
            refused.to_string(),
            "The button was pressed 2 times within the last minute, which is the limit, since \
             each press costs a text. Nothing was generated. Press again in 42 seconds."
        );
        limit.press(second(60)).unwrap();
        limit.press(second(61)).unwrap_err();
    }

    #[test]
    fn the_day_has_its_own_limit() {
        let mut limit = limit(10, 3);
        for minute in 0..3 {
            limit.press(second(minute * 600)).unwrap();
        }
        let refused = limit.press(second(1_800)).unwrap_err();
        assert!(refused.to_string().contains("24 hours"), "{refused}");
        assert!(refused.to_string().ends_with("Press again in 24 hours."));
        limit.press(second(24 * 60 * 60)).unwrap();
    }

    #[test]
    fn a_refused_press_does_not_count_nor_does_one_taken_back() {
        let mut limit = limit(1, 100);
        limit.press(second(0)).unwrap();
        limit.press(second(1)).unwrap_err();
        limit.take_back();
        limit.press(second(2)).unwrap();
    }

    #[test]
    fn presses_of_before_a_restart_count() {
        let mut limit = limit(10, 2);
        limit.restore([second(20), second(0), second(10)]);
        let refused = limit.press(second(30)).unwrap_err();
        assert!(refused.to_string().contains("24 hours"), "{refused}");
        limit.press(second(10 + 24 * 60 * 60)).unwrap();
    }

    #[test]
    fn without_limits_nothing_is_refused_nor_remembered() {
        let mut limit = limit(0, 0);
        for _ in 0..10_000 {
            limit.press(second(0)).unwrap();
        }
        assert!(limit.pressed_at.is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_block_the_button() {
        let mut limit = limit(1, 1);
        limit.press(second(5_000)).unwrap();
        limit.press(second(0)).unwrap();
    }
}
