//! The result of the lives.

use std::{collections::BTreeSet, fmt};

/// The sets that show whether anything was lost.
#[derive(Debug, Default)]
pub struct Report {
    /// The kills, by where they struck.
    pub kills: Vec<String>,
    /// Events whose `send` had returned.
    pub acknowledged: BTreeSet<String>,
    /// Events that arrived.
    pub delivered: BTreeSet<String>,
    /// Events that were acknowledged but did not arrive.
    pub lost: BTreeSet<String>,
    /// Events that arrived but were never sent.
    pub unexpected: BTreeSet<String>,
    /// Events that arrived again without having been in flight at a kill.
    pub repeated: BTreeSet<String>,
    /// Arrivals beyond the first of each event.
    pub duplicates: usize,
    /// Requests that had arrived at a kill, but whose outcome was not yet stored.
    pub in_flight: usize,
    /// Events of the ordered customer that arrived after one that was stored later.
    pub out_of_order: BTreeSet<String>,
}

impl Report {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.unexpected.is_empty()
            && self.repeated.is_empty()
            && self.out_of_order.is_empty()
            && self.duplicates <= self.in_flight
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<&str> = self.kills.iter().map(String::as_str).collect();
        kinds.sort_unstable();
        let kinds_of = |kind: &str| kinds.iter().filter(|other| **other == kind).count();
        let mut each = kinds.clone();
        each.dedup();
        let kills: Vec<String> = each
            .iter()
            .map(|kind| format!("{} {kind}", kinds_of(kind)))
            .collect();
        writeln!(
            f,
            "kills                     {} ({})",
            self.kills.len(),
            kills.join(", ")
        )?;
        writeln!(f, "acknowledged              {}", self.acknowledged.len())?;
        writeln!(f, "delivered                 {}", self.delivered.len())?;
        writeln!(
            f,
            "acknowledged - delivered  {} {:?}",
            self.lost.len(),
            self.lost
        )?;
        writeln!(
            f,
            "unexpected                {} {:?}",
            self.unexpected.len(),
            self.unexpected
        )?;
        writeln!(
            f,
            "out of order              {} {:?}",
            self.out_of_order.len(),
            self.out_of_order
        )?;
        writeln!(f, "in flight at the kills    {}", self.in_flight)?;
        writeln!(f, "duplicates                {}", self.duplicates)?;
        write!(
            f,
            "  not in flight at a kill {} {:?}",
            self.repeated.len(),
            self.repeated
        )
    }
}
