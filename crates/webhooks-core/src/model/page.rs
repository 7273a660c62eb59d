//! Pages of an endpoint's deliveries, with cursors.

use crate::delivery::Delivery;

/// The maximum number of deliveries on one page.
pub const PAGE_MAX: usize = 500;
/// Events of the customer that one page looks through: a few milliseconds.
pub(crate) const LOOKED_THROUGH: usize = 2_000;

/// Which of an endpoint's deliveries to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryFilter {
    /// Pending deliveries, oldest first.
    Pending,
    /// Deliveries that ended without success, newest first.
    Ended,
    /// Deliveries with a failed attempt, the newest failure first.
    Failed,
    /// Everything on record, the newest event first. The customer's events are searched in slices: for an endpoint
    /// that wants only a few of many events, a page can be short, or even empty, and still have a cursor.
    All,
}

/// The page to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageOf {
    pub(crate) listing: DeliveryFilter,
    pub(crate) cursor: Option<PageCursor>,
    pub(crate) limit: usize,
}

impl PageOf {
    /// How many deliveries the page has at most.
    pub(crate) fn limit(&self) -> usize {
        self.limit.clamp(1, PAGE_MAX)
    }
}

/// A page of deliveries.
#[derive(Debug, Clone)]
pub struct DeliveryPage {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// Pass it to the next call; `None` at the end.
    pub cursor: Option<PageCursor>,
}

/// The position at which a listing continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    pub(crate) at: i64,
    pub(crate) seq: i64,
}

impl PageCursor {
    /// Before the newest.
    pub(crate) const NEWEST: Self = Self {
        at: i64::MAX,
        seq: i64::MAX,
    };

    /// That of an event, where events are listed in their order.
    pub(crate) fn of_event(seq: i64) -> Self {
        Self { at: 0, seq }
    }

    /// What a page found, and where the next continues: a full page may be followed by another.
    pub(crate) fn full(found: Vec<Self>, limit: usize) -> (Vec<Self>, Option<Self>) {
        let last = found.last().copied();
        let cursor = last.filter(|_| found.len() == limit);
        (found, cursor)
    }
}

impl std::fmt::Display for PageCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at, self.seq)
    }
}

impl std::str::FromStr for PageCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('-')
            .and_then(|(at, seq)| Some((at.parse().ok()?, seq.parse().ok()?)));
        let (at, seq) = parsed
            .ok_or_else(|| format!("{text:?} is not a cursor; use that of the previous page"))?;
        Ok(Self { at, seq })
    }
}
