//! What keeps dead rows from being vacuumed: snapshots that somebody holds open, and replication slots that do not
//! advance. While there is one, every scan reads more and more dead rows. Nothing stops, but whoever runs the
//! database has to know.

use std::{collections::BTreeMap, time::Duration};

use super::row::Reader;
use crate::store::error::StoreError;

/// What is older, or has not advanced for longer, is worth a warning.
const OLD: Duration = Duration::from_secs(600);
/// How often to look. Warnings are logged at most once in [`SAY_EVERY`].
const LOOK_WAIT: Duration = Duration::from_secs(60);
const SAY_EVERY: Duration = Duration::from_secs(600);

/// When to look and to log next, by [`since_start`](crate::store::lease::since_start).
#[derive(Debug, Default)]
pub(super) struct OldSnapshots {
    look_at: Duration,
    say_at: Duration,
    /// By their names. The server does not say since when they have not advanced.
    slots: BTreeMap<String, Slot>,
}

/// Where a replication slot was at the last look.
#[derive(Debug)]
struct Slot {
    horizon: Horizon,
    /// The first look that found it there.
    since: Duration,
}

/// The oldest transactions whose effects a slot's reader may not have seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Horizon {
    /// In any table.
    rows: Option<String>,
    /// In the system's catalogs.
    catalogs: Option<String>,
}

/// Who has kept dead rows from being vacuumed for longest.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    /// A session, a prepared transaction, or a replication slot.
    who: String,
    age: Duration,
    keeps: Kept,
}

/// Which dead rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Rows,
    /// Only those of the system catalogs.
    Catalogs,
}

impl OldSnapshots {
    /// Logs now and then who has kept dead rows from being vacuumed for long.
    pub(super) async fn look(
        &mut self,
        reader: &mut Reader<'_>,
        now: Duration,
    ) -> Result<(), StoreError> {
        self.look_older(reader, now, OLD).await.map(drop)
    }

    /// Returns the holder that it named.
    async fn look_older(
        &mut self,
        reader: &mut Reader<'_>,
        now: Duration,
        than: Duration,
    ) -> Result<Option<Holder>, StoreError> {
        if now < self.look_at {
            return Ok(None);
        }
        self.look_at = now + LOOK_WAIT;
        let snapshot = reader.oldest_snapshot().await?;
        self.note_slots(reader.slots().await?, now);
        let oldest = snapshot.into_iter().chain(self.stillest_slot(now));
        let Some(holder) = oldest
            .filter(|holder| holder.age >= than)
            .max_by_key(|holder| (holder.keeps == Kept::Rows, holder.age))
        else {
            return Ok(None);
        };
        if now < self.say_at {
            return Ok(None);
        }
        self.say_at = now + SAY_EVERY;
        let (who, age_s) = (&holder.who, holder.age.as_secs());
        match holder.keeps {
            Kept::Rows => tracing::warn!(
                holder = who,
                age_s,
                "a transaction or a replication slot is old: dead rows of this database cannot be vacuumed until it \
                 ends or advances, and every scan for work reads more and more of them"
            ),
            Kept::Catalogs => tracing::warn!(
                holder = who,
                age_s,
                "a replication slot is old: dead rows of the system catalogs cannot be vacuumed until it advances, \
                 and the server keeps its write-ahead log"
            ),
        }
        Ok(Some(holder))
    }

    fn note_slots(&mut self, found: BTreeMap<String, Horizon>, now: Duration) {
        let mut before = std::mem::take(&mut self.slots);
        for (name, horizon) in found {
            let still = before.remove(&name).filter(|slot| slot.horizon == horizon);
            let since = still.map_or(now, |slot| slot.since);
            self.slots.insert(name, Slot { horizon, since });
        }
    }

    /// The one that has not advanced for longest; those that keep rows of every table come first.
    fn stillest_slot(&self, now: Duration) -> Option<Holder> {
        let holders = self.slots.iter().map(|(name, slot)| Holder {
            who: format!("replication slot {name}"),
            age: now.saturating_sub(slot.since),
            keeps: if slot.horizon.rows.is_some() {
                Kept::Rows
            } else {
                Kept::Catalogs
            },
        });
        holders.max_by_key(|holder| (holder.keeps == Kept::Rows, holder.age))
    }
}

impl Reader<'_> {
    /// The oldest that this user may see: only a member of `pg_monitor` sees other users' sessions.
    async fn oldest_snapshot(&mut self) -> Result<Option<Holder>, StoreError> {
        let oldest: Option<(String, i64)> = self
            .query(
                "select who, (extract(epoch from clock_timestamp() - since) * 1000)::int8
                 from (select format('session %s of %s (%s)', pid, usename, application_name) as who, xact_start as since
                       from pg_stat_activity
                       where (backend_xmin is not null or backend_xid is not null) and xact_start is not null
                         and pid <> pg_backend_pid() and backend_type = 'client backend'
                       union all
                       select format('prepared transaction %s of %s', gid, owner), prepared from pg_prepared_xacts) held
                 order by since limit 1",
            )
            .find_row(self.connection)
            .await?;
        Ok(oldest.map(|(who, age_ms)| Holder {
            who,
            age: Duration::from_millis(age_ms.max(0).unsigned_abs()),
            keeps: Kept::Rows,
        }))
    }

    /// Replication slots that keep anything. A slot whose reader keeps up advances all the time, because each
    /// heartbeat of a node is a transaction.
    async fn slots(&mut self) -> Result<BTreeMap<String, Horizon>, StoreError> {
        let slots: Vec<(String, _, _)> = self
            .query(
                "select slot_name::text, xmin::text, catalog_xmin::text from pg_replication_slots
                 where xmin is not null or catalog_xmin is not null",
            )
            .read_rows(self.connection)
            .await?;
        let slots = slots.into_iter();
        Ok(slots
            .map(|(name, rows, catalogs)| (name, Horizon { rows, catalogs }))
            .collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use scratch_postgres::{Cluster, Replication, Settings, Stop};
    use sqlx::{Connection, Executor, PgConnection};

    use super::*;
    use crate::store::postgres::schema::Schema;

    const SECOND: Duration = Duration::from_secs(1);

    /// The holder that a look at this late time named.
    async fn named(
        snapshots: &mut OldSnapshots,
        app: &mut PgConnection,
        now: Duration,
        than: Duration,
    ) -> Option<String> {
        let mut reader = Reader {
            connection: app,
            schema: &Schema::default(),
            names_statements: false,
        };
        let holder = snapshots.look_older(&mut reader, now, than).await.unwrap();
        holder.map(|holder| holder.who)
    }

    async fn connect(cluster: &Cluster) -> PgConnection {
        PgConnection::connect(&cluster.url()).await.unwrap()
    }

    /// The holder that later looks name, the first of which sees nothing old yet.
    async fn named_later(cluster: &Cluster) -> Option<String> {
        let mut app = connect(cluster).await;
        let mut snapshots = OldSnapshots::default();
        assert_eq!(named(&mut snapshots, &mut app, SECOND, OLD).await, None);
        let later = SECOND + OLD;
        named(&mut snapshots, &mut app, later, OLD).await
    }

    #[tokio::test]
    async fn who_holds_a_snapshot_for_long_is_named_every_ten_minutes() {
        let cluster = Cluster::start(Settings::quick()).unwrap();
        let (mut app, mut holder) = (connect(&cluster).await, connect(&cluster).await);
        holder
            .execute("set application_name = 'report'")
            .await
            .unwrap();
        let begin = "begin isolation level repeatable read; select 1";
        holder.execute(begin).await.unwrap();
        tokio::time::sleep(2 * SECOND).await;
        let mut snapshots = OldSnapshots::default();
        let mut now = SECOND;
        let old = named(&mut snapshots, &mut app, now, OLD).await;
        assert_eq!(old, None, "it is two seconds old");
        now += LOOK_WAIT;
        let old = named(&mut snapshots, &mut app, now, SECOND).await.unwrap();
        assert!(old.contains("of scratch (report)"), "{old}");
        now += LOOK_WAIT;
        assert_eq!(named(&mut snapshots, &mut app, now, SECOND).await, None);
        now += SAY_EVERY;
        assert!(named(&mut snapshots, &mut app, now, SECOND).await.is_some());
        holder.execute("commit").await.unwrap();
        now += SAY_EVERY;
        assert_eq!(named(&mut snapshots, &mut app, now, SECOND).await, None);
    }

    #[tokio::test]
    async fn a_prepared_transaction_that_was_forgotten_is_named() {
        let settings = Settings::quick().set("max_prepared_transactions", "2");
        let cluster = Cluster::start(settings).unwrap();
        let mut app = connect(&cluster).await;
        for statement in [
            "begin",
            "create table t ()",
            "prepare transaction 'forgotten'",
        ] {
            app.execute(statement).await.unwrap();
        }
        tokio::time::sleep(2 * SECOND).await;
        let mut snapshots = OldSnapshots::default();
        let old = named(&mut snapshots, &mut app, SECOND, SECOND).await;
        assert_eq!(old.unwrap(), "prepared transaction forgotten of scratch");
    }

    #[tokio::test]
    async fn a_slot_of_a_replica_that_is_gone_is_named_once_it_stands_still_for_long() {
        let cluster = Cluster::start(Settings::quick()).unwrap();
        let slot = "select pg_create_physical_replication_slot('replica')";
        cluster.query(slot).unwrap();
        let replica = cluster.replica(Replication::Asynchronous).unwrap();
        for statement in [
            "alter system set primary_slot_name = 'replica'",
            "alter system set hot_standby_feedback = on",
            "alter system set wal_receiver_status_interval = 1",
            "select pg_reload_conf()",
        ] {
            replica.cluster().query(statement).unwrap();
        }
        let horizon = "select count(xmin) from pg_replication_slots";
        let held = tokio::time::timeout(60 * SECOND, async {
            while cluster.query(horizon).unwrap().trim() != "1" {
                tokio::time::sleep(SECOND / 10).await;
            }
        });
        held.await.unwrap();
        replica.cluster().stop(Stop::Fast).unwrap();
        let named = named_later(&cluster).await;
        assert_eq!(named.unwrap(), "replication slot replica");
    }

    #[tokio::test]
    async fn a_slot_that_nobody_decodes_is_named_until_it_is_moved() {
        let settings = Settings::quick().set("wal_level", "logical");
        let cluster = Cluster::start(settings).unwrap();
        let slot = "select pg_create_logical_replication_slot('unread', 'pgoutput')";
        cluster.query(slot).unwrap();
        let named = named_later(&cluster).await;
        assert_eq!(named.unwrap(), "replication slot unread");
        let dropped = "select pg_drop_replication_slot('unread')";
        cluster.query(dropped).unwrap();
        assert_eq!(named_later(&cluster).await, None);
    }

    #[test]
    fn a_slot_that_moves_is_not_old() {
        let mut snapshots = OldSnapshots::default();
        let at = |xid: &str| {
            let horizon = Horizon {
                rows: Some(xid.to_owned()),
                catalogs: None,
            };
            BTreeMap::from([("replica".to_owned(), horizon)])
        };
        snapshots.note_slots(at("700"), SECOND);
        snapshots.note_slots(at("701"), OLD);
        let age = |snapshots: &OldSnapshots| snapshots.stillest_slot(2 * OLD).unwrap().age;
        assert_eq!(age(&snapshots), OLD);
        snapshots.note_slots(at("701"), 2 * OLD);
        assert_eq!(age(&snapshots), OLD);
    }
}
