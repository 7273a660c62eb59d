//! Partitions by day: created ahead, and dropped whole when they are old. Apps' transactions read and write
//! their tables and can be open for hours: no send waits for them, and a partition that would have to wait is
//! created or dropped later.

use super::{
    held_lanes::UNFORESEEN_WAIT,
    row::Reader,
    tx::{Keep, Tx},
};
use crate::store::error::StoreError;

const DAY_MS: i64 = 24 * 3600 * 1_000;
/// Partitions are created for this many days ahead: nobody's clock is that wrong, and a running engine
/// creates them each day.
const DAYS_AHEAD: i32 = 7;
/// When to retry those that could not be created at once: there are days until they are needed.
const RETRY_MS: i64 = 60_000;
/// The tables that have them.
pub(super) const PARTITIONED: [&str; 3] = ["event", "attempt", "ending"];
/// The key of the advisory lock under which they are created and dropped: "webh".
const LOCK_KEY: i64 = 0x7765_6268;

/// The day of a time, after which partitions are named.
pub(crate) fn day_of(at: i64) -> i32 {
    i32::try_from(at.div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}

impl Reader<'_> {
    /// Creates the missing partitions from the day of `now` on. Returns the last day.
    pub(super) async fn make_partitions(&mut self, now: i64) -> Result<i32, StoreError> {
        let today = day_of(now);
        // The day before too: just after midnight a timeline may be corrected back a little.
        let (first, last) = (today - 1, today + DAYS_AHEAD);
        for table in PARTITIONED {
            self.make_days(table, first..=last).await?;
        }
        Ok(last)
    }

    /// Creates the missing partitions of a table for `days`.
    pub(crate) async fn make_days(
        &mut self,
        table: &str,
        days: impl IntoIterator<Item = i32>,
    ) -> Result<(), StoreError> {
        self.query("select pg_advisory_xact_lock($1)")
            .bind(LOCK_KEY)
            .execute(self.connection)
            .await?;
        let there = self.partitions(table).await?;
        for day in days.into_iter().filter(|day| !there.contains(day)) {
            // Created separately, and then attached: readers and writers of the table continue meanwhile.
            // Creating it in place would lock them all out, and wait for each of their transactions.
            let statement = format!(
                "create table webhooks.{table}_{name} (like webhooks.{table} including all);
                 alter table webhooks.{table} attach partition webhooks.{table}_{name} for values from ({day}) to ({next})",
                name = name_of(day),
                next = day + 1,
            );
            let statement = sqlx::AssertSqlSafe(self.schema.sql(&statement));
            self.connection.execute(statement).await?;
        }
        Ok(())
    }

    /// The last day up to which all tables have partitions, counted from `today`: the day before `today` if one
    /// of them has none.
    async fn made_until(&mut self, today: i32) -> Result<i32, StoreError> {
        let mut until = today + DAYS_AHEAD;
        for table in PARTITIONED {
            let there = self.partitions(table).await?;
            let missing = (today..=until).find(|day| !there.contains(day));
            until = missing.map_or(until, |day| day - 1);
        }
        Ok(until)
    }

    /// The days for which a table has a partition.
    pub(super) async fn partitions(&mut self, table: &str) -> Result<Vec<i32>, StoreError> {
        let names: Vec<String> = self
            .query(
                "select c.relname from pg_inherits i
                 join pg_class c on c.oid = i.inhrelid
                 join pg_class p on p.oid = i.inhparent
                 join pg_namespace n on n.oid = p.relnamespace
                 where n.nspname = $1 and p.relname = $2",
            )
            .bind(self.schema.name())
            .bind(table)
            .read_values(self.connection)
            .await?;
        let days = names.iter().filter_map(|name| name.rsplit_once("_d"));
        let mut days: Vec<i32> = days.filter_map(|(_, day)| day.parse().ok()).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// Locks everybody else out of the partition of a day, if there is one. It waits for readers of the table, and
    /// everybody else waits behind it.
    pub(super) async fn lock_partition(&mut self, table: &str, day: i32) -> Result<(), StoreError> {
        let statement = format!(
            "do $$ begin lock table webhooks.{table}_{} in access exclusive mode;
             exception when undefined_table then null; end $$",
            name_of(day)
        );
        let statement = sqlx::AssertSqlSafe(self.schema.sql(&statement));
        self.connection.execute(statement).await?;
        Ok(())
    }

    /// Drops the partition of a day. It waits for readers of the table, and everybody else waits behind it.
    pub(super) async fn drop_partition(&mut self, table: &str, day: i32) -> Result<(), StoreError> {
        let statement = format!("drop table if exists webhooks.{table}_{}", name_of(day));
        let statement = sqlx::AssertSqlSafe(self.schema.sql(&statement));
        self.connection.execute(statement).await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Creates the partitions that will be needed, once a day. It waits only for today's.
    pub(super) async fn keep_partitions(&mut self) -> Result<(), StoreError> {
        if self.has_partitions() {
            return Ok(());
        }
        let now = self.now();
        let today = day_of(now);
        let mut until = self.reader().made_until(today).await?;
        if until < today {
            until = self.reader().make_partitions(now).await?;
        } else if until < today + DAYS_AHEAD {
            let made = self.unless_busy(UNFORESEEN_WAIT, async |tx: &mut Tx<'_>| {
                Ok((tx.reader().make_partitions(now).await?, Keep::All))
            });
            match made.await? {
                Some(made_until) => until = made_until,
                None => self.sweep.partitions_at = now + RETRY_MS,
            }
        }
        self.sweep.partitions_until = until;
        Ok(())
    }

    /// Whether today's exists, and [`Tx::keep_partitions`] has nothing to create yet.
    pub(super) fn has_partitions(&self) -> bool {
        let now = self.now();
        let (today, until) = (day_of(now), self.sweep.partitions_until);
        today + DAYS_AHEAD <= until || (today <= until && now < self.sweep.partitions_at)
    }
}

fn name_of(day: i32) -> String {
    format!("d{day}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        assert_eq!(day_of(0), 0);
        assert_eq!(day_of(DAY_MS - 1), 0);
        assert_eq!(day_of(DAY_MS), 1);
        assert_eq!(day_of(-1), -1);
    }
}
