//! Snapshots that somebody holds open: while there is one, no dead row goes, and every scan reads more
//! of them. Nothing stops by it, but whoever runs the database has to know.

use std::time::Duration;

use sqlx::Row;

use super::row::Reader;
use crate::store::error::StoreError;

/// A snapshot that is older is worth a warning.
const OLD: Duration = Duration::from_secs(600);
/// How often it is looked, and it is said at most as often as that times [`SAY_EVERY`].
const LOOK_WAIT: Duration = Duration::from_secs(60);
const SAY_EVERY: Duration = Duration::from_secs(600);

/// When it is looked and said next, by [`since_start`](crate::store::lease::since_start).
#[derive(Debug, Default)]
pub(super) struct OldSnapshots {
    look_at: Duration,
    say_at: Duration,
}

/// Who holds the oldest snapshot.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    /// A session, or a transaction that was prepared.
    who: String,
    age: Duration,
}

impl OldSnapshots {
    /// Says who holds an old snapshot, now and then.
    pub(super) async fn look(
        &mut self,
        reader: &mut Reader<'_>,
        now: Duration,
    ) -> Result<(), StoreError> {
        self.look_older(reader, now, OLD).await.map(drop)
    }

    /// Returns whom it named.
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
        let oldest = reader.oldest_snapshot().await?;
        let Some(holder) = oldest.filter(|holder| holder.age >= than) else {
            return Ok(None);
        };
        if now < self.say_at {
            return Ok(None);
        }
        self.say_at = now + SAY_EVERY;
        tracing::warn!(
            holder = holder.who,
            age_s = holder.age.as_secs(),
            "a transaction has been open for long: no dead row of this database goes before it ends, \
             and all that looks for work reads more and more of them"
        );
        Ok(Some(holder))
    }
}

impl Reader<'_> {
    /// Of what this user may see: other users' sessions are seen by a member of `pg_monitor`.
    async fn oldest_snapshot(&mut self) -> Result<Option<Holder>, StoreError> {
        let row = self
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
            .fetch_optional(&mut *self.connection)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let age_ms: i64 = row.try_get(1)?;
        Ok(Some(Holder {
            who: row.try_get(0)?,
            age: Duration::from_millis(age_ms.max(0).unsigned_abs()),
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use scratch_postgres::{Cluster, Settings};
    use sqlx::{Connection, Executor, PgConnection};

    use super::*;
    use crate::store::postgres::schema::Schema;

    const SECOND: Duration = Duration::from_secs(1);

    /// Whom a look named that comes so late.
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

    #[tokio::test]
    async fn who_holds_a_snapshot_for_long_is_named_every_ten_minutes() {
        let cluster = Cluster::start(Settings::quick()).unwrap();
        let connect = async || PgConnection::connect(&cluster.url()).await.unwrap();
        let (mut app, mut holder) = (connect().await, connect().await);
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
}
