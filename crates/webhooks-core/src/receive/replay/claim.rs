//! The requests to a store of the guard, and its answers.

use std::time::Duration;

/// The hash of a key: every key costs the same amount of memory, however long a stranger made it.
pub(super) type KeyHash = [u8; 32];

/// A store's answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Granted,
    Already,
    Underway,
    Full,
}

/// Why the guard cannot say whether a key is new. Refuse the request (503): the sender will retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be opened or is not a replay guard file.
    #[error("cannot open the replay guard's file {path}: {problem}")]
    Open {
        /// The file.
        path: String,
        /// The error of the system.
        problem: String,
    },
    /// The file cannot be read or written.
    #[error("the replay guard's file failed: {problem}")]
    Store {
        /// The error of the system.
        problem: String,
    },
    /// The maximum number of keys is remembered, and all of them are still being handled.
    #[error("{limit} ids are already being handled, which is the limit")]
    Full {
        /// The maximum number of keys remembered.
        limit: usize,
    },
    /// The claim ended before it was confirmed, because handling took longer than the time limit.
    #[error("the claim ended before it was confirmed; raise the time limit above {limit:?}")]
    ClaimEnded {
        /// The time limit.
        limit: Duration,
    },
}
