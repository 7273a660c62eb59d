//! How often an engine on Postgres polls for changes that it was not notified about.

use std::time::Duration;

use crate::builder::Builder;

impl Builder {
    /// The interval at which this engine polls a Postgres database for changes that it was not notified about, as
    /// long as it receives notifications; 50 ms to a second by default. With an hour, a test sees the effect of
    /// notifications alone.
    pub fn look_wait(mut self, wait: Duration) -> Self {
        self.look_wait = Some(wait);
        self
    }
}
