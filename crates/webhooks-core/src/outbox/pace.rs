//! How fast requests are sent to one endpoint: how many at once, and how far apart.
//!
//! Both follow from one number, the level: the number of requests at once or, below 1, the fraction of the time
//! during which there is one. A success adds to it; a failure that indicates overload takes a quarter of it
//! (additive increase, multiplicative decrease). With one failure in ten an endpoint keeps its full width, with
//! one in five half of it, and one that only fails gets one request every few seconds until it is stopped.

use std::time::Duration;

use crate::clock::{micros, millis};

/// What remains of the level after a failure.
const DECREASE: f32 = 0.75;
/// A success adds this fraction of the full width. At equilibrium with [`DECREASE`], the level is the full width
/// times the successes per failure, divided by 8.
const INCREASE: f32 = 1.0 / 32.0;
/// Endpoints narrower than this get the increase of this width: otherwise one with a single request at a time
/// would take a minute to recover from a short overload.
const INCREASE_WIDTH_MIN: f32 = 8.0;
/// The lowest level.
const LEVEL_MIN: f32 = 1.0 / 16.0;
/// The pause between two requests at level 0.5, and how fast it grows below: barely noticeable for an endpoint
/// that answers every second request, 3.5 s at the lowest level.
const PAUSE: Duration = Duration::from_millis(4);
const PAUSE_GROWTH: f32 = 2.5;
/// How long an endpoint waits when this machine could not make its request, doubled up to the maximum: with some
/// thousand endpoints waiting, trying costs little, and none is late by much.
const MACHINE_WAIT_FIRST: Duration = Duration::from_secs(1);
const MACHINE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How late a request may start without delaying the next one.
const LATE_MAX_US: i64 = 20_000;

/// Whether a request had to wait for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    AtOnce,
    /// It comes a little late, which need not delay the next one.
    Waited,
}

/// How fast requests are sent to one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Requests at once when all is well.
    full: usize,
    level: f32,
    /// It is recovering from trouble: every success doubles the level.
    ramps_up: bool,
    /// When the next request may start, on the timeline in microseconds.
    next_at_us: i64,
    /// How long it last waited for this machine, and until when.
    machine_wait: Duration,
    machine_until: i64,
}

impl Pace {
    pub(crate) fn full(width: usize) -> Self {
        Self {
            full: width,
            level: as_level(width),
            ramps_up: false,
            next_at_us: 0,
            machine_wait: Duration::ZERO,
            machine_until: i64::MIN,
        }
    }

    /// The pace of an endpoint that is tried with one request.
    pub(crate) fn single(width: usize) -> Self {
        let mut pace = Self::full(width);
        pace.stop();
        pace
    }

    /// The number of requests at once.
    pub(crate) fn width(&self) -> usize {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // From 0 to `full`.
        let whole = self.level as usize;
        whole.clamp(1, self.full.max(1))
    }

    /// Whether it is recovering from trouble and has not reached its full width yet.
    pub(crate) fn ramps_up(&self) -> bool {
        self.ramps_up
    }

    /// Whether there is nothing to remember at `now_us`.
    pub(crate) fn is_at_rest(&self, now_us: i64) -> bool {
        let at_rest = self.level >= as_level(self.full) && self.machine_wait.is_zero();
        at_rest && self.next_at_us <= now_us
    }

    /// Sets another full width. An endpoint that is slowed down stays so.
    pub(crate) fn set_full(&mut self, width: usize) {
        let was_full = self.level >= as_level(self.full);
        self.full = width;
        self.level = if was_full {
            as_level(width)
        } else {
            self.level.min(as_level(width))
        };
    }

    /// Restores the full width immediately.
    pub(crate) fn restore(&mut self) {
        self.level = as_level(self.full);
        self.ramps_up = false;
    }

    pub(crate) fn succeeded(&mut self) {
        let full = as_level(self.full);
        if self.level >= full {
            return;
        }
        self.level = if self.ramps_up {
            (self.level * 2.0).min(full)
        } else {
            (self.level + full.max(INCREASE_WIDTH_MIN) * INCREASE).min(full)
        };
        self.ramps_up &= self.level < full;
    }

    /// Slows down after a failure that indicates overload. True if it was at its full width until now.
    pub(crate) fn slow_down(&mut self) -> bool {
        let was_full = self.level >= as_level(self.full);
        self.level = (self.level * DECREASE).max(LEVEL_MIN);
        self.ramps_up = false;
        was_full
    }

    /// The endpoint is in trouble: it is tried with one request, and widened from there.
    pub(crate) fn stop(&mut self) {
        self.level = 1.0;
        self.ramps_up = as_level(self.full) > 1.0;
    }

    /// When the next request may start, in milliseconds, if that is after `now`. `limit` is the minimum time
    /// between two requests from the endpoint's settings.
    pub(crate) fn wait_until(&self, now: i64, limit: Option<Duration>) -> Option<i64> {
        let mut at = self.machine_until;
        if limit.is_some() || self.level < 1.0 {
            // Rounded up, so that a sleep until then is long enough.
            at = at.max(self.next_at_us.saturating_add(999).div_euclid(1_000));
        }
        (at > now).then_some(at)
    }

    /// This machine could not make a request at `now`: the next one has to wait.
    pub(crate) fn machine_failed(&mut self, now: i64) {
        if now < self.machine_until {
            // Requests that were made together fail together.
            return;
        }
        self.machine_wait = (self.machine_wait * 2).clamp(MACHINE_WAIT_FIRST, MACHINE_WAIT_MAX);
        self.machine_until = now.saturating_add(millis(self.machine_wait));
    }

    /// Notes that a request was made. True if the one before could not be.
    pub(crate) fn machine_is_well(&mut self) -> bool {
        self.machine_until = i64::MIN;
        !std::mem::take(&mut self.machine_wait).is_zero()
    }

    /// Notes that a request starts.
    pub(crate) fn start(&mut self, now: i64, limit: Option<Duration>, turn: Turn) {
        let now_us = now.saturating_mul(1_000);
        let pause = if self.level < 1.0 {
            PAUSE.mul_f32((1.0 / self.level - 1.0).powf(PAUSE_GROWTH))
        } else {
            Duration::ZERO
        };
        let apart = pause.max(limit.unwrap_or_default());
        if apart.is_zero() {
            return;
        }
        let late = match turn {
            Turn::AtOnce => 0,
            Turn::Waited => LATE_MAX_US,
        };
        let from = self.next_at_us.max(now_us - late);
        self.next_at_us = from.saturating_add(micros(apart));
    }
}

#[allow(clippy::cast_precision_loss)] // Widths are far below what a float holds exactly.
fn as_level(width: usize) -> f32 {
    width.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean level of an endpoint that fails every `every`th request.
    fn level_with_failures(width: usize, every: u32) -> f32 {
        let mut pace = Pace::full(width);
        let mut sum = 0.0;
        for request in 1..=10_000 {
            if request % every == 0 {
                pace.slow_down();
            } else {
                pace.succeeded();
            }
            sum += pace.level / as_level(width);
        }
        sum / 10_000.0
    }

    #[test]
    fn the_level_follows_the_share_of_failures_whatever_the_width() {
        for width in [8, 100] {
            assert!(level_with_failures(width, 20) > 0.9, "5 % of {width}");
            let fifth = level_with_failures(width, 5);
            assert!((0.4..0.8).contains(&fifth), "20 % of {width}: {fifth}");
            let half = level_with_failures(width, 2);
            assert!((0.05..0.25).contains(&half), "50 % of {width}: {half}");
        }
    }

    #[test]
    fn an_endpoint_that_only_fails_gets_requests_further_and_further_apart() {
        let mut pace = Pace::full(8);
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..20 {
            if let Some(at) = pace.wait_until(now, None) {
                waits.push(at - now);
                now = at;
            }
            pace.slow_down();
            pace.start(now, None, Turn::Waited);
        }
        assert!(waits.is_sorted(), "{waits:?}");
        assert!(
            waits
                .last()
                .is_some_and(|wait| (3_000..4_000).contains(wait))
        );
    }

    #[test]
    fn after_a_stop_successes_double_the_width() {
        let mut pace = Pace::full(8);
        pace.stop();
        let widths: Vec<usize> = std::iter::repeat_with(|| {
            let width = pace.width();
            pace.succeeded();
            width
        })
        .take(5)
        .collect();
        assert_eq!(widths, [1, 2, 4, 8, 8]);
    }

    #[test]
    fn a_rate_limit_is_kept_without_adding_up_how_late_requests_are() {
        let limit = Some(Duration::from_millis(10));
        let mut pace = Pace::full(8);
        let mut now = 1_000;
        pace.start(now, limit, Turn::AtOnce);
        for _ in 0..100 {
            now = pace.wait_until(now, limit).unwrap() + 1;
            pace.start(now, limit, Turn::Waited);
        }
        assert!((1_999..=2_003).contains(&now), "{now}");
    }
}
