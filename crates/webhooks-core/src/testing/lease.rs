//! For how long an engine on Postgres is taken for alive when nothing is heard of it.

use std::time::Duration;

use crate::builder::Builder;

impl Builder {
    /// For how long other engines take this one for alive when they hear nothing of it, and this one
    /// others; ten seconds unless set. All engines on a database must have the same.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }
}
