//! Pages of an endpoint's deliveries, with cursors.

use crate::delivery::Delivery;

/// Most deliveries on one page.
pub const PAGE_MAX: usize = 500;

/// What of an endpoint's deliveries to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryFilter {
    /// What is pending, the oldest first.
    Pending,
    /// What ended without a success, the newest first.
    Ended,
    /// What has an attempt that failed, the newest failure first.
    Failed,
    /// Everything on record, the newest event first. The customer's events are looked through in
    /// slices: of an endpoint that wants few of many, a page can be short, or empty, and still have a
    /// cursor.
    All,
}

/// Which page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageOf {
    pub(crate) listing: DeliveryFilter,
    pub(crate) cursor: Option<PageCursor>,
    pub(crate) limit: usize,
}

/// A page of deliveries.
#[derive(Debug, Clone)]
pub struct DeliveryPage {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// Give it to the next call; `None` at the end.
    pub cursor: Option<PageCursor>,
}

/// Where a listing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    pub(crate) at: i64,
    pub(crate) seq: i64,
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
            .ok_or_else(|| format!("{text:?} is not a cursor; use the one of the page before"))?;
        Ok(Self { at, seq })
    }
}
