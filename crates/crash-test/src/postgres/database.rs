//! The Postgres database that all nodes share, and what is in it.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use scratch_postgres::{Cluster, Replica, Replication, Settings, Stop};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::{sync::watch, time::Instant};

use super::{mark::Mark, traffic::now};

/// How long a replica may take to catch up with the server.
const REPLICA_LIMIT: Duration = Duration::from_secs(60);

/// The Postgres database that all nodes share. What is committed survives this value's servers.
#[derive(Debug)]
pub struct Database {
    cluster: Arc<Cluster>,
    replica: Option<(Replica, Replication)>,
    port: watch::Sender<u16>,
    /// The logs of servers that are gone.
    logs: String,
}

/// What a replica had when it took over, which shows what it lacked.
#[derive(Debug)]
pub struct TakenOver {
    /// The time, on the machine's monotonic clock, before anybody could reach it.
    pub at: u64,
    /// The events that it had.
    pub events: HashSet<Mark>,
    /// Those of them that have pending deliveries.
    pub owed: HashSet<Mark>,
}

/// What is left at the end.
#[derive(Debug, Default)]
pub struct Left {
    /// Rows of `delivery`.
    pub deliveries: i64,
    /// Rows of `lane`.
    pub lanes: i64,
    /// Those of them that should be gone, or that nobody would come back to.
    pub stray_lanes: i64,
    /// Rows of `arrival`.
    pub arrivals: i64,
    /// Rows of `outbox`.
    pub outbox: i64,
    /// What these are, for people.
    pub shown: String,
}

/// Whether there are nodes that own lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// An endpoint that keeps its lane has it owned by one of them.
    Running,
    /// They shut down in an orderly way: such a lane has a due time, for whoever starts next.
    Ended,
}

impl Nodes {
    /// The SQL condition for a lane that an ordered endpoint keeps.
    fn kept(self) -> &'static str {
        match self {
            Self::Running => "n.id is not null",
            // A node that was killed just before counts as alive until its lease ends.
            Self::Ended => "n.id is not null or l.node is null and l.due_at is not null",
        }
    }
}

impl Left {
    /// Whether nothing is pending, and nothing is left of what was.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.count() == 0
    }

    /// The number of pending deliveries and events, and of rows that should have gone with them.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.deliveries + self.outbox + self.stray_lanes + self.arrivals
    }
}

impl Database {
    /// Creates an empty database, which a replica may follow.
    ///
    /// # Errors
    /// When Postgres is missing, or does not start.
    pub async fn start(replication: Option<Replication>) -> anyhow::Result<Self> {
        let settings = Settings::durable().set("max_connections", "200");
        let cluster = Arc::new(blocking(|| Cluster::start(settings)).await?);
        let mut database = Self {
            port: watch::Sender::new(cluster.port()),
            cluster,
            replica: None,
            logs: String::new(),
        };
        if let Some(replication) = replication {
            database.follow(replication).await?;
        }
        Ok(database)
    }

    /// The port of the server that accepts writes, as it changes.
    #[must_use]
    pub fn port(&self) -> watch::Receiver<u16> {
        self.port.subscribe()
    }

    /// The database's address on `port`.
    #[must_use]
    pub fn url(port: u16) -> String {
        format!("postgres://scratch@127.0.0.1:{port}/postgres?sslmode=disable")
    }

    /// The address of the server itself.
    #[must_use]
    pub fn own_url(&self) -> String {
        Self::url(self.cluster.port())
    }

    async fn follow(&mut self, replication: Replication) -> anyhow::Result<()> {
        let cluster = Arc::clone(&self.cluster);
        let replica = blocking(move || cluster.replica(replication)).await?;
        self.replica = Some((replica, replication));
        Ok(())
    }

    /// Crashes the server and starts it again.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self) -> anyhow::Result<()> {
        let cluster = Arc::clone(&self.cluster);
        blocking(move || cluster.restart(Stop::Immediate)).await
    }

    /// Cuts an asynchronous replica off: from now on it lacks what is committed.
    ///
    /// # Errors
    /// When the replica does not stop.
    pub async fn leave_replica_behind(&mut self) -> anyhow::Result<()> {
        match self.replica.take() {
            Some((replica, Replication::Asynchronous)) => {
                let stopped = blocking(move || {
                    replica.cluster().stop(Stop::Fast)?;
                    Ok(replica)
                });
                self.replica = Some((stopped.await?, Replication::Asynchronous));
            }
            replica => self.replica = replica,
        }
        Ok(())
    }

    /// Crashes the server. Its replica takes over, and another replica follows that one. Returns
    /// what the replica had, unless it had everything.
    ///
    /// # Errors
    /// When there is no replica, or it does not take over.
    pub async fn promote(&mut self) -> anyhow::Result<Option<TakenOver>> {
        let (replica, replication) = self.replica.take().context("there is no replica")?;
        if replication == Replication::Synchronous {
            self.wait_for_replica().await?;
        }
        let old = Arc::clone(&self.cluster);
        let promoted = blocking(move || {
            old.stop(Stop::Immediate)?;
            if replica.cluster().process().is_none() {
                replica.cluster().start_again()?;
            }
            replica.promote()
        });
        let old = std::mem::replace(&mut self.cluster, Arc::new(promoted.await?));
        self.logs.push_str(&old.log());
        let taken_over = match replication {
            Replication::Synchronous => None,
            Replication::Asynchronous => Some(TakenOver {
                at: now(),
                events: self.events().await?,
                owed: self.owed().await?,
            }),
        };
        self.port.send_replace(self.cluster.port());
        blocking(move || {
            drop(old);
            Ok(())
        })
        .await?;
        self.follow(replication).await?;
        Ok(taken_over)
    }

    /// After a crash the server shows what it had committed before its replica has it: whoever lets
    /// the replica take over must make sure that it has everything.
    async fn wait_for_replica(&self) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        let row = connection
            .fetch_one("select pg_current_wal_insert_lsn()::text")
            .await?;
        let at: String = row.try_get(0)?;
        let limit = Instant::now() + REPLICA_LIMIT;
        loop {
            let caught_up = sqlx::query(
                "select 1 from pg_stat_replication where sync_state = 'sync' and flush_lsn >= $1::text::pg_lsn",
            )
            .bind(&at)
            .fetch_optional(&mut connection)
            .await?;
            if caught_up.is_some() {
                return Ok(());
            }
            if Instant::now() > limit {
                bail!("the replica did not catch up within {REPLICA_LIMIT:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.own_url()).await?)
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// When the database refuses it.
    pub async fn execute(&self, statement: &'static str) -> anyhow::Result<()> {
        self.connect().await?.execute(statement).await?;
        Ok(())
    }

    /// The events in the database, including those that are rows of the outbox table.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(&self) -> anyhow::Result<HashSet<Mark>> {
        self.marks(
            "select body from webhooks.event
             union all select convert_to(data::text, 'UTF8') from webhooks.outbox",
        )
        .await
    }

    /// The events with pending deliveries.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn owed(&self) -> anyhow::Result<HashSet<Mark>> {
        self.marks(
            "select e.body from webhooks.delivery d
             join webhooks.event e on e.seq = d.event_seq and e.day = d.event_day",
        )
        .await
    }

    /// What the node of a process holds, as customers and events.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held_by(&self, process: u32) -> anyhow::Result<Vec<(String, Mark)>> {
        let rows = sqlx::query(
            "select e.customer, e.body from webhooks.node n
             join webhooks.delivery d on d.claim >> 40 = n.id or d.lane and exists (
                 select 1 from webhooks.lane l
                 where l.endpoint_key = d.endpoint_key and l.node = n.id and l.owned)
             join webhooks.event e on e.seq = d.event_seq and e.day = d.event_day
             where n.alive and n.name like $1",
        )
        .bind(format!("%:{process}"))
        .fetch_all(&mut self.connect().await?)
        .await?;
        rows.iter()
            .map(|row| {
                let body: Vec<u8> = row.try_get(1)?;
                let mark = Mark::find(&body).context("an event without a mark")?;
                Ok((row.try_get(0)?, mark))
            })
            .collect()
    }

    async fn marks(&self, bodies: &'static str) -> anyhow::Result<HashSet<Mark>> {
        let rows = self.connect().await?.fetch_all(bodies).await?;
        let bodies = rows.iter().map(|row| row.try_get::<Vec<u8>, _>(0));
        bodies
            .filter_map(|body| body.map(|body| Mark::find(&body)).transpose())
            .map(|mark| Ok(mark?))
            .collect()
    }

    /// The rows of the app's own table.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders(&self) -> anyhow::Result<HashSet<Mark>> {
        let mut connection = self.connect().await?;
        let rows = connection.fetch_all("select mark from app_order").await?;
        rows.iter()
            .map(|row| Ok(Mark::from_sql(row.try_get(0)?)))
            .collect()
    }

    /// What is still pending, and what is left of what is done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn left(&self, nodes: Nodes) -> anyhow::Result<Left> {
        let mut connection = self.connect().await?;
        let kept = nodes.kept();
        let counts = format!(
            "select (select count(*) from webhooks.delivery), (select count(*) from webhooks.lane),
                    (select count(*) from webhooks.lane l
                     left join webhooks.endpoint e on e.key = l.endpoint_key
                     left join webhooks.node n on n.id = l.node and n.alive
                     where (l.owned and e.ordered and ({kept})) is not true),
                    (select count(*) from webhooks.arrival), (select count(*) from webhooks.outbox)"
        );
        let row = connection.fetch_one(AssertSqlSafe(counts)).await?;
        let mut left = Left {
            deliveries: row.try_get(0)?,
            lanes: row.try_get(1)?,
            stray_lanes: row.try_get(2)?,
            arrivals: row.try_get(3)?,
            outbox: row.try_get(4)?,
            shown: String::new(),
        };
        if !left.is_nothing() {
            for (title, of) in SHOWN {
                let statement = format!("select t::text from ({of}) t limit 30");
                let rows = connection.fetch_all(AssertSqlSafe(statement)).await?;
                left.shown.push_str(title);
                for row in rows {
                    let text: String = row.try_get(0)?;
                    left.shown.push_str("\n    ");
                    left.shown.push_str(&text);
                }
                left.shown.push('\n');
            }
        }
        Ok(left)
    }

    /// Everything that the servers logged.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}{}", self.logs, self.cluster.log())
    }

    /// The errors in the servers' logs, with their counts.
    #[must_use]
    pub fn errors(&self) -> BTreeMap<String, u32> {
        let mut errors = BTreeMap::new();
        for line in self.log().lines() {
            if let Some((_, error)) = line.split_once("ERROR:  ") {
                *errors.entry(error.to_owned()).or_default() += 1;
            }
        }
        errors
    }
}

/// Queries that show what is left.
const SHOWN: [(&str, &str); 5] = [
    (
        "  deliveries: customer, lane, node of the claim, count, first and last event, due since ms",
        "select e.customer, d.lane, d.claim >> 40 as node, count(*), min(d.event_seq), max(d.event_seq),
                (extract(epoch from clock_timestamp()) * 1000)::int8 - min(d.due_at) as due_since
         from webhooks.delivery d join webhooks.event e on e.seq = d.event_seq and e.day = d.event_day
         group by 1, 2, 3 order by 1, 2, 3",
    ),
    (
        "  lanes: customer, due at, backoff until, failures, owned, node, whether that is alive",
        "select e.customer, l.due_at, l.backoff_until, l.failures, l.owned, l.node, n.alive
         from webhooks.lane l left join webhooks.endpoint e on e.key = l.endpoint_key
         left join webhooks.node n on n.id = l.node",
    ),
    (
        "  arrivals: customer, event, since ms",
        "select e.customer, a.event_seq, (extract(epoch from clock_timestamp()) * 1000)::int8 - a.at as since
         from webhooks.arrival a left join webhooks.endpoint e on e.key = a.endpoint_key",
    ),
    (
        "  nodes that are alive: id, seen for",
        "select id, clock_timestamp() - seen_at from webhooks.node where alive",
    ),
    (
        "  rows of the outbox: id, refused",
        "select id, refused from webhooks.outbox",
    ),
];

/// Runs blocking work outside the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use webhooks_core::{NewEndpoint, Webhooks};

    use super::*;

    /// Nobody listens here, and nothing is sent.
    const URL: &str = "http://127.0.0.1:1/";

    #[tokio::test]
    async fn lanes_and_arrivals_are_left_over_unless_an_ordered_endpoint_keeps_its_lane() {
        let database = Database::start(None).await.unwrap();
        let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
        let webhooks = builder.open(&database.own_url()).await.unwrap();
        webhooks.endpoints("plain").add(URL).await.unwrap();
        let ordered = NewEndpoint::new(URL).ordered(true);
        webhooks.endpoints("ordered").add(ordered).await.unwrap();
        let left = database.left(Nodes::Running).await.unwrap();
        assert!(left.is_nothing() && left.lanes == 1, "{left:?}");

        let strays = [
            "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures)
             select key, null, 0, 0 from webhooks.endpoint where not ordered",
            "insert into webhooks.arrival
             select 1, key, 0 from webhooks.endpoint where ordered",
        ];
        for stray in strays {
            database.execute(stray).await.unwrap();
        }
        let left = database.left(Nodes::Running).await.unwrap();
        assert_eq!((left.lanes, left.stray_lanes, left.arrivals), (2, 1, 1));
        assert!(!left.is_nothing() && left.shown.contains("plain"));
        database
            .execute("delete from webhooks.lane where not owned")
            .await
            .unwrap();
        database
            .execute("delete from webhooks.arrival")
            .await
            .unwrap();

        webhooks.shutdown(Duration::ZERO).await;
        assert_eq!(database.left(Nodes::Running).await.unwrap().stray_lanes, 1);
        let left = database.left(Nodes::Ended).await.unwrap();
        assert!(left.is_nothing() && left.lanes == 1, "{left:?}");
        // Nobody would come back to it.
        database
            .execute("update webhooks.lane set due_at = null")
            .await
            .unwrap();
        assert_eq!(database.left(Nodes::Ended).await.unwrap().stray_lanes, 1);
    }
}
