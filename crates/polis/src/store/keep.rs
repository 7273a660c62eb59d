//! How much is kept before the oldest requests are dropped.

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Maximum number of requests.
    pub requests: usize,
    /// Maximum number of bytes of memory.
    pub bytes: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            // Enough for an afternoon of debugging, in little memory.
            requests: 10_000,
            bytes: 64_000_000,
        }
    }
}
