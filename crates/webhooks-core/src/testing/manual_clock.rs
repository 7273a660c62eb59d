//! A clock that stands still until a test moves it.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::{Clock, system_time, unix_millis};

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    wall: Mutex<SystemTime>,
    monotonic: watch::Sender<Duration>,
}

impl Default for ManualClock {
    /// Starts at the present.
    fn default() -> Self {
        Self::starting_at(SystemTime::now())
    }
}

impl ManualClock {
    /// Starts with the wall clock at `wall`.
    #[must_use]
    pub fn starting_at(wall: SystemTime) -> Self {
        Self {
            wall: Mutex::new(wall),
            monotonic: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Lets time pass: both clocks move, and whoever sleeps until then wakes up.
    pub fn advance(&self, by: Duration) {
        *self.wall.lock() += by;
        self.monotonic.send_modify(|monotonic| *monotonic += by);
    }

    /// Moves only the wall clock, forward or back, as when a machine's clock is set.
    pub fn jump_wall(&self, by_ms: i64) {
        let mut wall = self.wall.lock();
        *wall = system_time(unix_millis(*wall) + by_ms);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        *self.wall.lock()
    }

    fn monotonic(&self) -> Duration {
        *self.monotonic.borrow()
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut monotonic = self.monotonic.subscribe();
        Box::pin(async move {
            // The sender lives in the clock; once that is gone, nobody is left to wake us.
            if monotonic.wait_for(|now| *now >= at).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
