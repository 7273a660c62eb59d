//! How often an engine on Postgres looks for what it was not told.

use std::time::Duration;

use crate::builder::Builder;

impl Builder {
    /// The wait between two looks at a Postgres database for what no notification told, while this
    /// engine hears notifications; 50 ms to a second unless set. With an hour a test sees what
    /// notifications do.
    pub fn look_wait(mut self, wait: Duration) -> Self {
        self.look_wait = Some(wait);
        self
    }
}
