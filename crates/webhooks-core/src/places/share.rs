//! How places are divided, and what is said of a request that had one.

/// How long a request may hold a place in the fast share, in milliseconds: longer than nearly
/// every receiver takes that stores an event and answers.
pub(crate) const PLACE_LIMIT_MS: i64 = 250;

/// How the places are divided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    /// For whoever is not known as slow.
    pub(crate) open: usize,
    /// For those that have just answered.
    pub(crate) reserve: usize,
    /// Requests that are overdue and leave the fast share's place to others.
    pub(crate) overdue: usize,
    /// For endpoints known as slow.
    pub(crate) slow: usize,
    /// For endpoints in trouble.
    pub(crate) probes: usize,
}

impl Shares {
    pub(crate) fn of(requests: usize) -> Self {
        let sixteenths = |parts: usize| (requests * parts / 16).max(1);
        Self {
            open: sixteenths(4),
            reserve: sixteenths(1),
            overdue: sixteenths(3),
            slow: sixteenths(6),
            probes: sixteenths(2),
        }
    }
}

/// What a request is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Delivery,
    /// To an endpoint in trouble.
    Probe,
}

/// What a request came to, as far as it tells of how fast its endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Success,
    Failure,
}
