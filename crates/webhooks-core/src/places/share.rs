//! How places are divided, and what is recorded about a request that had one.

/// How long a request may hold a place in the fast share, in milliseconds: longer than nearly every receiver takes
/// to store an event and answer.
pub(crate) const PLACE_LIMIT_MS: i64 = 250;

/// How the places are divided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    /// For endpoints that are not known to be slow.
    pub(crate) open: usize,
    /// For endpoints that have just answered.
    pub(crate) reserve: usize,
    /// Overdue requests, which have given up their place in the fast share to others.
    pub(crate) overdue: usize,
    /// For endpoints that are known to be slow.
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

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Delivery,
    /// To an endpoint in trouble.
    Probe,
}

/// The outcome of a request, as far as it says how fast its endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Success,
    Failure,
}
