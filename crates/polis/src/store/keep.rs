//! How much is kept before the oldest requests fall out.

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Requests.
    pub requests: usize,
    /// Bytes of memory.
    pub bytes: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            // An afternoon of debugging, in memory that nobody misses.
            requests: 10_000,
            bytes: 64_000_000,
        }
    }
}
