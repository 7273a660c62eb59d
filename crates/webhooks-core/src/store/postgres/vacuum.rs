//! Vacuum of the hot tables: thousands of rows come and go every second, and autovacuum looks only once a
//! minute.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::{
    connection::Connector,
    row::Reader,
    session::{Session, Statement},
};
use crate::{clock::millis, store::error::StoreError};

/// How often to check whether there is something to do.
pub(super) const LOOK_WAIT: Duration = Duration::from_secs(5);
/// This many dead rows of a table are worth a vacuum: at full speed they take a fraction of a second.
const DEAD_ROWS: i64 = 200_000;
/// A table is vacuumed only if nobody has vacuumed it for this long.
const PAUSE: Duration = Duration::from_secs(20);
/// How long one may take: what is not vacuumed by then is left to autovacuum.
const LIMIT: Duration = Duration::from_secs(3600);
/// The key of the advisory lock under which one node does it: "webv".
const LOCK_KEY: i64 = 0x7765_6276;

/// A vacuum that may be running, on a connection of its own: heartbeats continue meanwhile.
#[derive(Default)]
pub(super) struct Vacuum {
    running: Option<JoinHandle<()>>,
}

impl Vacuum {
    /// Starts one if it is needed and none is running.
    pub(super) async fn look(
        &mut self,
        connector: &Connector,
        reader: &mut Reader<'_>,
    ) -> Result<(), StoreError> {
        if self
            .running
            .as_ref()
            .is_some_and(|running| !running.is_finished())
        {
            return Ok(());
        }
        if !needed(connector, reader).await?.is_empty() {
            let connector = connector.clone();
            self.running = Some(tokio::spawn(async move {
                if let Err(error) = run(&connector).await {
                    // Autovacuum does it later.
                    tracing::debug!(%error, "a vacuum failed");
                }
            }));
        }
        Ok(())
    }
}

/// The tables that are worth one.
async fn needed(connector: &Connector, reader: &mut Reader<'_>) -> Result<Vec<String>, StoreError> {
    reader
        .query(
            "select relname::text from pg_stat_user_tables
             where schemaname = $1 and relname in ('delivery', 'lane', 'arrival') and n_dead_tup > $2
               and coalesce(greatest(last_vacuum, last_autovacuum), '-infinity')
                   < clock_timestamp() - make_interval(secs => $3)",
        )
        .bind(connector.address.schema.name())
        .bind(DEAD_ROWS)
        .bind(PAUSE.as_secs_f64())
        .read_values(reader.connection)
        .await
}

async fn run(connector: &Connector) -> Result<(), StoreError> {
    let mut connection = connector.connect().await?;
    // A vacuum may take longer than the interval of heartbeats.
    connection.execute("set statement_timeout = 0").await?;
    connection.answers_within(LIMIT);
    if !lock(&mut connection).await? {
        return Ok(());
    }
    // Another node may have done it since this one checked.
    let tables = needed(connector, &mut connector.reader(&mut connection)).await?;
    for table in tables {
        let began = std::time::Instant::now();
        let statement = format!("vacuum (skip_locked, truncate off) webhooks.{table}");
        let statement = connector.address.schema.sql(&statement);
        connection.execute(sqlx::AssertSqlSafe(statement)).await?;
        tracing::debug!(
            table,
            took_ms = millis(began.elapsed()),
            "a table was vacuumed"
        );
    }
    // Closing the connection releases the lock.
    connection.close().await
}

/// A session lock, not a transaction lock: vacuum runs outside any transaction.
async fn lock(connection: &mut Session) -> Result<bool, StoreError> {
    Statement::new("select pg_try_advisory_lock($1)")
        .persistent(false)
        .bind(LOCK_KEY)
        .read_value(connection)
        .await
}
