//! Vacuum of the hot tables: rows come and go by the thousand a second, and autovacuum looks once a
//! minute.

use std::time::Duration;

use sqlx::Row;
use tokio::task::JoinHandle;

use super::{
    connection::Connector,
    row::Reader,
    session::{Session, Statement},
};
use crate::{clock::millis, store::error::StoreError};

/// How often it is looked whether there is something to do.
pub(super) const LOOK_WAIT: Duration = Duration::from_secs(5);
/// So many dead rows of a table are worth a vacuum: at full speed they take a fraction of a second.
const DEAD_ROWS: i64 = 200_000;
/// No vacuum, of anybody's, for so long.
const PAUSE: Duration = Duration::from_secs(20);
/// For how long one may last: what is not vacuumed then is left to autovacuum.
const LIMIT: Duration = Duration::from_secs(3600);
/// The key of the advisory lock under which one node does it: "webv".
const LOCK_KEY: i64 = 0x7765_6276;

/// A vacuum that may be under way, on a connection of its own: beats go on meanwhile.
#[derive(Default)]
pub(super) struct Vacuum {
    running: Option<JoinHandle<()>>,
}

impl Vacuum {
    /// Begins one where it is needed and none is under way.
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
                    tracing::debug!(%error, "a vacuum could not be made");
                }
            }));
        }
        Ok(())
    }
}

/// The tables that are worth one.
async fn needed(connector: &Connector, reader: &mut Reader<'_>) -> sqlx::Result<Vec<String>> {
    let rows = reader
        .query(
            "select relname::text from pg_stat_user_tables
             where schemaname = $1 and relname in ('delivery', 'lane', 'arrival') and n_dead_tup > $2
               and coalesce(greatest(last_vacuum, last_autovacuum), '-infinity')
                   < clock_timestamp() - make_interval(secs => $3)",
        )
        .bind(connector.address.schema.name())
        .bind(DEAD_ROWS)
        .bind(PAUSE.as_secs_f64())
        .fetch_all(&mut *reader.connection)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

async fn run(connector: &Connector) -> sqlx::Result<()> {
    let mut connection = connector.connect().await?;
    // What takes longer than a beat of the lease is not to be hurried.
    connection.execute("set statement_timeout = 0").await?;
    connection.answers_within(LIMIT);
    if !lock(&mut connection).await? {
        return Ok(());
    }
    // Another node may have done it since this one looked.
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
    // The lock goes with the connection.
    connection.close().await
}

/// Not the kind that ends with a transaction: vacuum runs outside of any.
async fn lock(connection: &mut Session) -> sqlx::Result<bool> {
    let row = Statement::new("select pg_try_advisory_lock($1)")
        .persistent(false)
        .bind(LOCK_KEY)
        .fetch_one(connection)
        .await?;
    row.try_get(0)
}
