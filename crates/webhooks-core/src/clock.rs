//! Time as the engine sees it: a [`Clock`] that tests can move, and the [`Timeline`] that all due times refer to.
//!
//! The timeline runs with the monotonic clock, so a wall clock that jumps by an hour or a day neither makes
//! everything due at once (a storm) nor delays retries by a day (a stall).

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

/// A source of time. [`SystemClock`] in production; `testing::ManualClock` in tests.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock: what receivers compare signatures with, and what people read.
    fn wall(&self) -> SystemTime;

    /// The time since an arbitrary start; it never goes back.
    fn monotonic(&self) -> Duration;

    /// Resolves once [`Clock::monotonic`] has reached `at`.
    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep_until((self.start + at).into()))
    }
}

/// Milliseconds since the Unix epoch, clamped to what an `i64` holds.
pub(crate) fn unix_millis(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)
        }
    }
}

/// The inverse of [`unix_millis`].
pub(crate) fn system_time(millis: i64) -> SystemTime {
    let distance = Duration::from_millis(millis.unsigned_abs());
    let moved = if millis < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    moved.unwrap_or(UNIX_EPOCH)
}

/// Whole milliseconds of a duration, clamped.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whole microseconds of a duration, clamped.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Smaller differences are not corrected: two clocks that are each truncated to whole milliseconds now and then
/// differ by one, and following that would make the timeline go backwards.
const SLEW_MIN_MS: i64 = 2;
/// From this difference on, the wall clock is assumed to have jumped; below it, to have been slewed (NTP).
const JUMP_MS: i64 = 2_000;

/// The engine's own time in milliseconds: it starts at the wall clock and runs with the monotonic clock.
///
/// `offset` is timeline minus wall clock. It is stored, so that a restart continues the timeline; the caller of
/// [`Timeline::new`] stores the first one.
pub(crate) struct Timeline {
    clock: std::sync::Arc<dyn Clock>,
    /// Timeline minus monotonic clock.
    base: AtomicI64,
    /// Timeline minus wall clock.
    offset: AtomicI64,
    /// The offset that the store has.
    stored_offset: AtomicI64,
    following: Mutex<()>,
    /// Whether it follows a clock other than this machine's.
    follows_another: AtomicBool,
    /// Timeline minus that clock, after that clock was set back.
    #[cfg(feature = "postgres")]
    ahead: AtomicI64,
}

impl Timeline {
    /// Continues a timeline from its stored offset and from the time `reached` that it had got to (both 0 for a
    /// new database): it never starts before a time that was already reached.
    pub(crate) fn new(clock: std::sync::Arc<dyn Clock>, offset: i64, reached: i64) -> Self {
        let wall = unix_millis(clock.wall());
        let now = wall.saturating_add(offset).max(reached);
        let base = now.saturating_sub(millis(clock.monotonic()));
        let offset = now.saturating_sub(wall);
        Self {
            base: AtomicI64::new(base),
            offset: AtomicI64::new(offset),
            stored_offset: AtomicI64::new(offset),
            clock,
            following: Mutex::new(()),
            follows_another: AtomicBool::new(false),
            #[cfg(feature = "postgres")]
            ahead: AtomicI64::new(0),
        }
    }

    /// Milliseconds on the timeline.
    pub(crate) fn now(&self) -> i64 {
        self.base
            .load(Ordering::Relaxed)
            .saturating_add(millis(self.clock.monotonic()))
    }

    /// The clock that the timeline runs with.
    #[cfg(feature = "postgres")]
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(crate) fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// The wall-clock time that people read for a time on the timeline.
    pub(crate) fn to_wall(&self, at: i64) -> SystemTime {
        system_time(at.saturating_sub(self.offset()))
    }

    /// The time on the timeline for a wall-clock time.
    pub(crate) fn at_wall(&self, at: SystemTime) -> i64 {
        unix_millis(at).saturating_add(self.offset())
    }

    pub(crate) fn sleep_until(&self, at: i64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let monotonic = at.saturating_sub(self.base.load(Ordering::Relaxed)).max(0);
        self.clock
            .sleep_until(Duration::from_millis(monotonic.unsigned_abs()))
    }

    /// Checks the wall clock. Returns the offset if the store has a different one: each commit stores it.
    pub(crate) fn offset_to_store(&self) -> Option<i64> {
        self.follow_wall();
        let offset = self.offset();
        (offset != self.stored_offset.load(Ordering::Relaxed)).then_some(offset)
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn offset_is_stored(&self, offset: i64) {
        self.stored_offset.store(offset, Ordering::Relaxed);
    }

    /// Follows another clock, which all engines on a database have in common: it showed `at` midway between
    /// `before` and `after`, both measured by [`Timeline::monotonic`].
    ///
    /// A step forward is followed however large it is, since an engine that starts now would begin there. When
    /// that clock is set back, the timeline carries on: that of a running engine, and also that of one that
    /// starts, which begins at the time that the others had reached. Otherwise everything with a due time would
    /// wait longer, by the size of the step.
    #[cfg(feature = "postgres")]
    pub(crate) fn follow(&self, at: i64, (before, after): (Duration, Duration)) {
        let _one_at_a_time = self.following.lock();
        self.follows_another.store(true, Ordering::Relaxed);
        let base = self.base.load(Ordering::Relaxed);
        let ahead = self.ahead.load(Ordering::Relaxed);
        let reached = base.saturating_add(i64::midpoint(millis(before), millis(after)));
        let drift = at.saturating_add(ahead).saturating_sub(reached);
        if drift.abs() >= JUMP_MS {
            tracing::warn!(
                jump_ms = drift,
                "the database's clock was set; no pending delivery waits longer because of it"
            );
        }
        if drift <= -JUMP_MS {
            self.ahead.fetch_sub(drift, Ordering::Relaxed);
        } else if drift >= JUMP_MS {
            // An earlier step back is made up for first.
            let made_up = drift.min(ahead);
            self.ahead.fetch_sub(made_up, Ordering::Relaxed);
            self.base.fetch_add(drift - made_up, Ordering::Relaxed);
        } else if drift.abs() >= SLEW_MIN_MS {
            self.base.fetch_add(drift, Ordering::Relaxed);
        }
        let offset = self.now().saturating_sub(unix_millis(self.clock.wall()));
        if offset.abs_diff(self.offset()) >= SLEW_MIN_MS.unsigned_abs() {
            self.offset.store(offset, Ordering::Relaxed);
            self.stored_offset.store(offset, Ordering::Relaxed);
        }
    }

    /// Follows the wall clock's small corrections; notes a jump.
    fn follow_wall(&self) {
        if self.follows_another.load(Ordering::Relaxed) {
            return;
        }
        let _one_at_a_time = self.following.lock();
        let drift = self.at_wall(self.clock.wall()).saturating_sub(self.now());
        if drift.abs() < SLEW_MIN_MS {
            return;
        }
        if drift.abs() < JUMP_MS {
            self.base.fetch_add(drift, Ordering::Relaxed);
            return;
        }
        self.offset.fetch_sub(drift, Ordering::Relaxed);
        tracing::warn!(
            jump_ms = drift,
            "the wall clock jumped; pending deliveries keep their retry schedule"
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Two clocks that show the same time but are truncated to milliseconds at different moments.
    #[derive(Default)]
    struct Cut(AtomicI64);

    impl Clock for Cut {
        fn wall(&self) -> SystemTime {
            UNIX_EPOCH + self.monotonic() + Duration::from_micros(600)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::Relaxed).unsigned_abs())
        }

        fn sleep_until(&self, _at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn two_clocks_cut_at_other_moments_do_not_turn_the_timeline_back() {
        let clock = std::sync::Arc::new(Cut::default());
        let timeline = Timeline::new(std::sync::Arc::clone(&clock) as _, 0, 0);
        for _ in 0..100 {
            clock.0.fetch_add(100, Ordering::Relaxed);
            let before = timeline.now();
            timeline.offset_to_store();
            let after = timeline.now();
            assert!(after >= before, "{after} comes after {before}");
        }
        assert_eq!(timeline.now(), 10);
    }

    /// A wall clock that can be set, and a monotonic clock that just runs.
    #[cfg(feature = "postgres")]
    #[derive(Default)]
    struct Set {
        wall: AtomicI64,
        monotonic: AtomicI64,
    }

    #[cfg(feature = "postgres")]
    impl Set {
        fn run(&self, millis: i64) {
            self.wall.fetch_add(millis, Ordering::Relaxed);
            self.monotonic.fetch_add(millis, Ordering::Relaxed);
        }
    }

    #[cfg(feature = "postgres")]
    impl Clock for Set {
        fn wall(&self) -> SystemTime {
            system_time(self.wall.load(Ordering::Relaxed))
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.monotonic.load(Ordering::Relaxed).unsigned_abs())
        }

        fn sleep_until(&self, _at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::ready(()))
        }
    }

    #[cfg(feature = "postgres")]
    const HOUR_MS: i64 = 3_600_000;

    /// A timeline that follows a database's clock, which is at `at`.
    #[cfg(feature = "postgres")]
    fn following(at: i64) -> (std::sync::Arc<Set>, Timeline) {
        let clock = std::sync::Arc::new(Set::default());
        let timeline = Timeline::new(std::sync::Arc::clone(&clock) as _, 0, 0);
        timeline.follow(at, (timeline.monotonic(), timeline.monotonic()));
        (clock, timeline)
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn setting_this_machines_clock_does_not_move_a_timeline_that_follows_the_databases() {
        let at = 10 * HOUR_MS;
        for step in [HOUR_MS, -HOUR_MS] {
            let (clock, timeline) = following(at);
            clock.run(1_000);
            clock.wall.fetch_add(step, Ordering::Relaxed);
            timeline.follow(at + 1_000, (timeline.monotonic(), timeline.monotonic()));
            timeline.offset_to_store();
            clock.run(1_000);
            assert_eq!(timeline.now(), at + 2_000);
            // People read wall-clock time.
            assert_eq!(timeline.to_wall(timeline.now()), clock.wall());
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_timeline_goes_on_when_the_databases_clock_is_set_back_and_forward_again() {
        let at = 10 * HOUR_MS;
        let (clock, timeline) = following(at);
        for (passed, step) in [(1_000, -HOUR_MS), (2_000, -HOUR_MS), (3_000, 0), (4_000, 0)] {
            clock.run(1_000);
            let database = at + passed + step;
            timeline.follow(database, (timeline.monotonic(), timeline.monotonic()));
            assert_eq!(timeline.now(), at + passed);
        }
        // If it is set forward beyond that, it is followed, since an engine that starts now would begin there.
        timeline.follow(at + HOUR_MS, (timeline.monotonic(), timeline.monotonic()));
        assert_eq!(timeline.now(), at + HOUR_MS);
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn an_engine_that_starts_after_the_databases_clock_was_set_back_goes_by_the_timeline_of_the_others()
     {
        let clock = std::sync::Arc::new(Set::default());
        let timeline = Timeline::new(clock, 0, 10 * HOUR_MS);
        timeline.follow(9 * HOUR_MS, (timeline.monotonic(), timeline.monotonic()));
        assert_eq!(timeline.now(), 10 * HOUR_MS);
    }
}
