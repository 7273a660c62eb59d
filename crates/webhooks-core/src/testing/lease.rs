//! How long an engine on Postgres is considered alive without a sign of life.

use std::time::Duration;

use crate::builder::Builder;

impl Builder {
    /// How long other engines consider this one alive without hearing from it, and this one the others; ten
    /// seconds by default. All engines on a database must use the same value.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }
}
