//! The result of a run.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{balance::Balance, database::Left};

/// How many members of a set that should be empty are shown.
const SHOWN_MAX: usize = 10;

/// The result of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// The faults that were made, with their counts.
    pub faults: BTreeMap<String, u32>,
    /// How long it took after the last fault until everything was delivered.
    pub drained_in: Option<Duration>,
    /// The ledger's balance.
    pub balance: Balance,
    /// What is still in the tables.
    pub left: Left,
    /// Errors in the server's log, with their counts.
    pub errors: BTreeMap<String, u32>,
    /// Where to look when it is not clean.
    pub kept: Option<String>,
}

impl Report {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let balance = &self.balance;
        balance.broken().iter().all(|(_, marks)| marks.is_empty())
            && balance.duplicates <= balance.in_flight + balance.owed_again
            && self.left.is_nothing()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let balance = &self.balance;
        let total: u32 = self.faults.values().sum();
        let each = self.faults.iter();
        let each: Vec<String> = each
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        let each = each.join(", ");
        line(f, "faults", format_args!("{total} ({each})"))?;
        match self.drained_in {
            Some(time) => line(
                f,
                "all delivered after",
                format_args!("{:.1} s", time.as_secs_f64()),
            )?,
            None => line(f, "all delivered after", "never")?,
        }
        if let Some((median, most)) = balance.gone_on_after {
            let (median, most) = (median.as_secs_f64(), most.as_secs_f64());
            let after = format_args!("{median:.1} s in the median, {most:.1} s at most");
            line(f, "work of killed nodes resumes", after)?;
        }
        line(f, "acknowledged", balance.acknowledged)?;
        line(f, "delivered", balance.delivered)?;
        set(f, "acknowledged - delivered", &balance.lost)?;
        if balance.lacked > 0 || balance.owed_again > 0 {
            line(f, "lacked by a replica", balance.lacked)?;
            line(f, "  lost with the server", balance.lost_with_server)?;
            line(f, "  outcomes that it lacked", balance.owed_again)?;
        }
        set(f, "unexpected", &balance.unexpected)?;
        line(f, "got an error, or no answer", balance.unknown)?;
        line(f, "  delivered anyway", balance.unknown_delivered)?;
        line(f, "rolled back on purpose", balance.rolled_back)?;
        set(f, "  delivered anyway", &balance.not_rolled_back)?;
        line(f, "rows of the app", balance.orders)?;
        set(f, "  without their event", &balance.orders_alone)?;
        set(f, "  events without their row", &balance.without_order)?;
        line(f, "to the ordered endpoint", balance.ordered)?;
        set(f, "  out of order", &balance.out_of_order)?;
        line(f, "in flight at the faults", balance.in_flight)?;
        line(f, "duplicates", balance.duplicates)?;
        set(f, "  not in flight at a fault", &balance.repeated)?;
        let left = &self.left;
        line(
            f,
            "left in the tables",
            format_args!(
                "{} deliveries, {} lanes of which {} should be gone, {} arrivals, {} rows of the outbox",
                left.deliveries, left.lanes, left.stray_lanes, left.arrivals, left.outbox
            ),
        )?;
        write!(f, "{}", left.shown)?;
        write!(
            f,
            "errors in Postgres' log    {}",
            self.errors.values().sum::<u32>()
        )?;
        for (error, count) in &self.errors {
            write!(f, "\n  {count} {error}")?;
        }
        if let Some(kept) = &self.kept {
            write!(f, "\n{kept}")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{name:<29} {value}")
}

fn set<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, set: &[T]) -> fmt::Result {
    write!(f, "{name:<29} {}", set.len())?;
    for mark in set.iter().take(SHOWN_MAX) {
        write!(f, " {mark}")?;
    }
    if set.len() > SHOWN_MAX {
        write!(f, " …")?;
    }
    writeln!(f)
}
