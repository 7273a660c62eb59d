//! What a store of the guard's is asked for, and says.

/// A key's hash: every key costs the same memory, however long a stranger made it.
pub(super) type KeyHash = [u8; 32];

/// What a store says to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Granted,
    Already,
    Underway,
    Full,
}
