//! What only a store in Postgres has: the app's own transaction, several nodes, poolers, refusals.
#![cfg(all(feature = "postgres", feature = "testing"))]

mod balance;
mod causal_order;
mod changes;
mod clock_set;
mod copy;
mod cut_plain;
mod cut_statement;
mod dead_node;
mod failed_batch;
mod failover;
mod guide;
mod hand_over;
mod hanging_request;
mod held_snapshot;
mod histories;
mod id_locks;
mod lane_floor;
mod lane_locks;
mod lane_looks;
mod lane_race;
mod let_go;
mod limits;
mod line;
mod live;
mod meter;
mod nodes;
mod notification;
mod old_snapshot;
mod one_network;
mod other_store;
mod outbox_table;
mod owned_lane;
mod partitions;
mod pause;
mod plans;
mod pooled;
mod refusals;
mod refused_rows;
mod refused_writes;
mod rejoin;
mod scan;
mod scissors;
mod send_in;
mod silence;
mod taken_away;
mod tls;
mod upgrade;
mod vacuum;

use std::time::Duration;

use scratch_postgres::Database;
use webhooks_core::{Builder, Webhooks};

/// The address of an empty database.
fn address(database: &Database) -> String {
    format!("{}?schema=hooks", database.url())
}

/// An engine with the clocks of this machine.
async fn open(database: &Database) -> Webhooks {
    open_with(database, |builder| builder).await
}

async fn open_with(database: &Database, change: impl FnOnce(Builder) -> Builder) -> Webhooks {
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    change(builder).open(&address(database)).await.unwrap()
}

/// Long enough for whatever is to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `is_so`.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {} s", PATIENCE.as_secs()));
}
