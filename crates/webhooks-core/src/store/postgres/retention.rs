//! What is deleted over time: events and attempts by the day, and deliveries that were pending for disabled
//! endpoints. Always in bounded slices, so that a send never waits long.

use super::{
    held_lanes::UNFORESEEN_WAIT,
    partition::day_of,
    tx::{Keep, Tx},
};
use crate::{delivery::EndReason, store::error::StoreError};

/// Rows of one table that one transaction deletes or moves.
const SLICE_ROWS: i64 = 1_000;
/// Deliveries that one transaction looks through for those of a day, which takes some milliseconds.
const LOOK_ROWS: i64 = 10_000;
/// Lanes that one transaction looks through: there can be hundreds of thousands, and sends wait meanwhile.
const LANES_SLICE: i64 = 2_000;
/// How often to look through the partitions.
const PASS_EVERY_MS: i64 = 60_000;

/// Deliveries of the events of day `$1`, and perhaps others: the primary key begins with the event, and no index
/// has the day.
macro_rules! events_of_day {
    () => {
        "event_seq between (select min(seq) from webhooks.event where day = $1)
                       and (select max(seq) from webhooks.event where day = $1)"
    };
}

/// What became of the events of a day that is no longer kept.
enum EventsOfDay {
    Dropped,
    /// Some of them are pending.
    Pending,
    /// Somebody reads or writes them, or waits to.
    InUse,
}

impl Tx<'_> {
    /// One slice of each kind of maintenance. True if there is more to do.
    pub(super) async fn maintain(&mut self) -> Result<bool, StoreError> {
        let now = self.now();
        self.drop_expired_secrets(now).await?;
        let mut more = self.end_undeliverable().await?;
        if now >= self.sweep.next_pass_at {
            if self.drop_old(now).await? {
                more = true;
            } else {
                self.sweep.next_pass_at = now + PASS_EVERY_MS;
            }
        }
        Ok(more)
    }

    /// Drops the days that are no longer kept, except those of tables that are in use now, which a later pass
    /// drops. What is still pending of an old day is moved to the present day, in slices. True if there is more
    /// to move.
    async fn drop_old(&mut self, now: i64) -> Result<bool, StoreError> {
        let retention = self.host.retention;
        // The last day that is not kept.
        let attempts_until = day_of(now - retention.attempts_ms) - 1;
        let events_until = day_of(now - retention.events_ms) - 1;
        for day in self.old_days("attempt", attempts_until).await? {
            if !self.drop_unless_busy("attempt", day).await? {
                break;
            }
        }
        for day in self.old_days("event", events_until).await? {
            if self.move_pending(day, now).await? {
                return Ok(true);
            }
            match self.drop_events(day).await? {
                EventsOfDay::Dropped => {}
                EventsOfDay::Pending => {
                    self.sweep.moved_until = None;
                    return Ok(true);
                }
                // Their endings stay with them.
                EventsOfDay::InUse => return Ok(false),
            }
            self.query("delete from webhooks.event_key where day = $1")
                .bind(day)
                .execute(self.connection)
                .await?;
        }
        // An ending is kept as long as its event, which is not younger.
        for day in self.old_days("ending", events_until).await? {
            if !self.drop_unless_busy("ending", day).await? {
                break;
            }
        }
        Ok(false)
    }

    /// The days up to `until` for which a table has a partition.
    async fn old_days(&mut self, table: &'static str, until: i32) -> Result<Vec<i32>, StoreError> {
        let mut days = self.reader().partitions(table).await?;
        days.retain(|day| *day <= until);
        Ok(days)
    }

    /// Drops the partition of a day. False if its table is in use: waiting for that, possibly for an app's
    /// transaction that is open for hours, would make everybody else wait behind this transaction.
    async fn drop_unless_busy(
        &mut self,
        table: &'static str,
        day: i32,
    ) -> Result<bool, StoreError> {
        let dropped = self.unless_busy(UNFORESEEN_WAIT, async |tx: &mut Tx<'_>| {
            tx.reader().drop_partition(table, day).await?;
            Ok(((), Keep::All))
        });
        Ok(dropped.await?.is_some())
    }

    /// Moves events of a day that are still pending to the present day, beginning where the last slice ended. True
    /// if there may be more.
    async fn move_pending(&mut self, day: i32, now: i64) -> Result<bool, StoreError> {
        let moved = self.sweep.moved_until.filter(|(of, _)| *of == day);
        // All deliveries of an event have the same day, so a slice may end between two of them.
        let (looked, seqs): (Option<i64>, Vec<i64>) = self
            .query(concat!(
                "with looked as materialized (
                     select event_seq, event_day from webhooks.delivery
                     where event_seq > $2
                       and ",
                events_of_day!(),
                "
                     order by event_seq limit $3),
                 pending as (
                     select distinct event_seq from looked where event_day = $1 order by event_seq limit $4)
                 select (select max(event_seq) from looked), array(select event_seq from pending)"
            ))
            .bind(day)
            .bind(moved.map_or(i64::MIN, |(_, seq)| seq))
            .bind(LOOK_ROWS)
            .bind(SLICE_ROWS)
            .read_row(self.connection)
            .await?;
        let Some(looked) = looked else {
            return Ok(false);
        };
        let is_full = i64::try_from(seqs.len()).is_ok_and(|moved| moved == SLICE_ROWS);
        let until = seqs.last().copied().filter(|_| is_full).unwrap_or(looked);
        self.sweep.moved_until = Some((day, until));
        if seqs.is_empty() {
            return Ok(true);
        }
        let today = day_of(now);
        for statement in [
            // By its day, each slice would read all keys of that day.
            "with moved as (
                 update webhooks.event set day = $3 where day = $2 and seq = any($1) returning customer, id)
             update webhooks.event_key k set day = $3
             from moved
             cross join lateral (
                 select x.ctid from webhooks.event_key x
                 where x.customer = moved.customer and x.id = moved.id limit 1) found
             where k.ctid = found.ctid",
            "update webhooks.delivery set event_day = $3 where event_day = $2 and event_seq = any($1)",
        ] {
            self.query(statement)
                .bind(&seqs)
                .bind(day)
                .bind(today)
                .execute(self.connection)
                .await?;
        }
        Ok(true)
    }

    /// Drops the events of a day, unless some of them are pending: an event can be resent until the last moment.
    async fn drop_events(&mut self, day: i32) -> Result<EventsOfDay, StoreError> {
        let dropped = self.unless_busy(UNFORESEEN_WAIT, async |tx: &mut Tx<'_>| {
            // From here on nobody can find them to resend them.
            tx.reader().lock_partition("event", day).await?;
            let is_pending = tx
                .query(concat!(
                    "select exists (select from webhooks.delivery where ",
                    events_of_day!(),
                    " and event_day = $1)"
                ))
                .bind(day)
                .read_value(tx.connection)
                .await?;
            if is_pending {
                return Ok((EventsOfDay::Pending, Keep::Nothing));
            }
            tx.reader().drop_partition("event", day).await?;
            Ok((EventsOfDay::Dropped, Keep::All))
        });
        Ok(dropped.await?.unwrap_or(EventsOfDay::InUse))
    }

    /// Ends the pending deliveries of one of the endpoints that were disabled or removed.
    async fn end_undeliverable(&mut self) -> Result<bool, StoreError> {
        // Such an endpoint has a lane if anything is pending for it.
        let noted = self.sweep.over.pop_first();
        let found = match noted {
            Some(key) => Some(key),
            None => self.next_lane_that_is_over().await?,
        };
        let Some(key) = found else {
            return Ok(false);
        };
        let state: Option<String> = self
            .query(
                "select coalesce(e.state, 'removed') from webhooks.lane l
                 left join webhooks.endpoint e on e.key = l.endpoint_key
                 where l.endpoint_key = $1 and (e.key is null or e.state in ('disabled', 'removed'))
                 for update of l skip locked",
            )
            .bind(key)
            .find_value(self.connection)
            .await?;
        let Some(state) = state else {
            // Others hold it, or there is none, or its endpoint is active again. The next pass finds it.
            if noted.is_none() {
                self.sweep.lanes_until = Some(key);
            }
            return Ok(true);
        };
        self.sweep.over.insert(key);
        let ending = if state == "disabled" {
            EndReason::Disabled
        } else {
            EndReason::Removed
        };
        let seqs: Vec<i64> = self
            .query(
                "select event_seq from webhooks.delivery where endpoint_key = $1 and claim is null and lane limit $2",
            )
            .bind(key)
            .bind(SLICE_ROWS)
            .read_values(self.connection)
            .await?;
        if seqs.is_empty() {
            self.query("delete from webhooks.lane where endpoint_key = $1")
                .bind(key)
                .execute(self.connection)
                .await?;
            self.sweep.over.remove(&key);
        } else {
            self.end(key, &seqs, ending).await?;
        }
        // There may be other such lanes, or more rows in this one.
        Ok(true)
    }

    /// The next lane of an endpoint that was disabled or removed, by any node. Lanes are looked through a slice at
    /// a time; passes are minutes apart.
    async fn next_lane_that_is_over(&mut self) -> Result<Option<i64>, StoreError> {
        let (last, lanes, found): (Option<i64>, i64, Option<i64>) = self
            .query(
                "with slice as materialized (
                     select endpoint_key from webhooks.lane where endpoint_key > $1
                     order by endpoint_key limit $2),
                 over as (
                     select s.endpoint_key from slice s
                     left join lateral (
                         select x.state from webhooks.endpoint x where x.key = s.endpoint_key limit 1) e on true
                     where e.state is null or e.state in ('disabled', 'removed')
                     order by s.endpoint_key limit 1)
                 select t.last, t.lanes, over.endpoint_key
                 from (select max(endpoint_key) as last, count(*) as lanes from slice) t left join over on true",
            )
            .bind(self.sweep.lanes_until.unwrap_or(i64::MIN))
            .bind(LANES_SLICE)
            .read_row(self.connection)
            .await?;
        if found.is_none() {
            self.sweep.lanes_until = last.filter(|_| lanes == LANES_SLICE);
        }
        Ok(found)
    }

    /// Deletes secrets whose grace period after a rotation is over.
    async fn drop_expired_secrets(&mut self, now: i64) -> Result<(), StoreError> {
        let keys = self
            .query("delete from webhooks.endpoint_secret where expires_at <= $1 returning endpoint_key")
            .bind(now)
            .read_values(self.connection)
            .await?;
        for key in keys {
            self.reload(key).await?;
        }
        Ok(())
    }

    /// How many deliveries are stored and not done.
    pub(super) async fn count_pending(&mut self) -> Result<u64, StoreError> {
        let count: i64 = self
            .query("select count(*) from webhooks.delivery")
            .read_value(self.connection)
            .await?;
        Ok(count.unsigned_abs())
    }
}
