//! The hot tables are vacuumed by one of the nodes, where many rows are dead.

use std::time::Duration;

use scratch_postgres::Database;
use sqlx::{Connection, Executor, PgConnection};

use super::{open, until};

/// Rows that are dead afterwards: more than a vacuum is made for, and fewer.
const MANY: u32 = 250_000;
const FEW: u32 = 100_000;
/// It is looked every 5 s whether one is needed.
const LOOKED_TWICE: Duration = Duration::from_secs(11);
/// The key of the advisory lock under which it is done: "webv".
const LOCK: &str = "select pg_advisory_lock(x'77656276'::int8)";
const UNLOCK: &str = "select pg_advisory_unlock(x'77656276'::int8)";

fn die(database: &Database, table: &str, columns: &str, rows: u32) {
    for statement in [
        format!("alter table hooks.{table} set (autovacuum_enabled = off)"),
        format!("insert into hooks.{table} select {columns} from generate_series(1, {rows}) n"),
        format!("delete from hooks.{table}"),
    ] {
        database.query(&statement).unwrap();
    }
}

/// Of each hot table.
fn vacuums(database: &Database) -> String {
    let count = "select string_agg(relname || '=' || vacuum_count, ' ' order by relname)
                 from pg_stat_user_tables
                 where schemaname = 'hooks' and relname in ('arrival', 'delivery', 'lane')";
    database.query(count).unwrap()
}

#[tokio::test]
async fn one_node_vacuums_what_has_many_dead_rows_while_no_other_does() {
    let database = Database::create().unwrap();
    let _nodes = [
        open(&database).await,
        open(&database).await,
        open(&database).await,
    ];
    let mut other = PgConnection::connect(database.url()).await.unwrap();
    other.execute(LOCK).await.unwrap();
    let delivery = "-n, -1, null, 9000000000000, 0, 0, 0, 0, 0, true";
    die(&database, "delivery", delivery, MANY);
    die(&database, "lane", "-n, null, 0, 0", FEW);
    tokio::time::sleep(LOOKED_TWICE).await;
    assert_eq!(vacuums(&database), "arrival=0 delivery=0 lane=0");
    other.execute(UNLOCK).await.unwrap();
    until("it is vacuumed", async || {
        vacuums(&database) == "arrival=0 delivery=1 lane=0"
    })
    .await;
    tokio::time::sleep(LOOKED_TWICE).await;
    assert_eq!(vacuums(&database), "arrival=0 delivery=1 lane=0");
}
