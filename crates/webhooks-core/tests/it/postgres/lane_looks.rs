//! How much is read to share lanes out: of few lanes, of tables that were vacuumed while there were few, and beside
//! very many of which nobody made statistics.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use scratch_postgres::Database;
use webhooks_core::{NewEndpoint, Webhooks, testing::ManualClock};

use super::open_with;

/// A connection tells what it has read at the end of a transaction, at most once a second.
const FIGURES_WAIT: Duration = Duration::from_millis(1_500);

/// Lanes and entries of their indexes that were read so far.
async fn read_so_far(database: &Database) -> u64 {
    tokio::time::sleep(FIGURES_WAIT).await;
    let read = "
        select (select sum(coalesce(seq_tup_read, 0)) from pg_stat_user_tables
                where schemaname = 'hooks' and relname = 'lane')
             + (select sum(idx_tup_read) from pg_stat_user_indexes
                where schemaname = 'hooks' and relname = 'lane')";
    database.query(read).unwrap().trim().parse().unwrap()
}

/// Of the nodes that share lanes out: a fifth of a second lies between two beats.
const LEASE: Duration = Duration::from_secs(2);
const BEAT: Duration = Duration::from_millis(200);
/// Lanes and entries that one node reads with each beat, at most: a thousand by the primary key, and the few that it
/// gives away.
const READ_A_BEAT: u64 = 1_100;

/// So many that one look at all of them is more than all that may be read.
const LANES: u64 = 300_000;

/// Nodes that look through the lanes, and give some away.
async fn look_through_lanes(nodes: &[Webhooks], database: &Database, round: &str) {
    let began = Instant::now();
    let before = read_so_far(database).await;
    tokio::time::sleep(5 * BEAT).await;
    let read = read_so_far(database).await - before;
    let beats = u64::try_from(began.elapsed().as_millis() / BEAT.as_millis()).unwrap() + 1;
    let limit = nodes.len() as u64 * beats * READ_A_BEAT;
    assert!(limit < LANES, "it took too long to tell anything");
    assert!(
        read <= limit,
        "{round}: {read} lanes and entries, at most {limit} wanted"
    );
}

#[tokio::test]
async fn lanes_are_shared_out_without_reading_all_of_them_at_once() {
    let database = Database::create().unwrap();
    let clock = Arc::new(ManualClock::starting_at(SystemTime::now()));
    let open = async || {
        let clock = Arc::clone(&clock);
        open_with(&database, |builder| builder.clock(clock).lease(LEASE)).await
    };
    let nodes = [open().await, open().await];
    let ordered = NewEndpoint::new("http://127.0.0.1:1/").ordered(true);
    for _ in 0..10 {
        let endpoints = nodes[0].endpoints("acme");
        endpoints.add(ordered.clone()).await.unwrap();
    }
    for round in ["few", "emptied", "large"] {
        match round {
            "emptied" => {
                for table in ["lane", "endpoint", "node"] {
                    let statement = format!("vacuum hooks.{table}");
                    database.query(&statement).unwrap();
                }
            }
            // Half of them are the other's favourites, and stay where they are, as there are no such endpoints.
            "large" => {
                let statement = format!(
                    "insert into hooks.lane (endpoint_key, due_at, backoff_until, failures, owned, node)
                     select 1000 + n, null, 0, 0, true, (select min(id) from hooks.node)
                     from generate_series(1, {LANES}) n"
                );
                database.query(&statement).unwrap();
            }
            _ => {}
        }
        look_through_lanes(&nodes, &database, round).await;
    }
}
