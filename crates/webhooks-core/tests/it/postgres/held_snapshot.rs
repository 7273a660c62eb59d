//! Beside a snapshot that is held open nothing that was deleted can be vacuumed: scans must not walk over
//! ever more of it, and must find what comes to light behind the floor that they begin at.

use std::time::{Duration, Instant};

use scratch_postgres::{Cluster, Database, Settings};
use sqlx::{Connection, Executor, PgConnection};
use webhooks_core::{Event, NewEndpoint, Webhooks, testing::Receiver};

use super::open;

/// Retries that came and went.
const RETRIES: u64 = 100_000;
/// Rows of a lane that came and went.
const LANE_ROWS: u64 = 200_000;
/// How often all of an order may be looked at in so long: once a second, however slow the machine is.
fn looks_max(since: Instant) -> u64 {
    10 + since.elapsed().as_secs()
}

/// Postgres' own figures are written once a second.
const FIGURES_WAIT: Duration = Duration::from_millis(1_500);

/// Index entries read so far.
async fn entries(database: &Database, index: &str) -> u64 {
    tokio::time::sleep(FIGURES_WAIT).await;
    let figure = format!(
        "select idx_tup_read from pg_stat_user_indexes
         where schemaname = 'hooks' and indexrelname = '{index}'"
    );
    database.query(&figure).unwrap().parse().unwrap()
}

async fn deliver(webhooks: &Webhooks, receiver: &Receiver, count: usize) {
    for n in 0..count {
        let before = receiver.requests().len();
        webhooks
            .send("acme", Event::new("ordered", &n))
            .await
            .unwrap();
        receiver.wait_for(before + 1).await;
    }
}

#[tokio::test]
async fn scans_begin_at_a_floor_beside_a_held_snapshot_and_find_what_commits_behind_it() {
    // Of its own: a lane's floor waits for every open transaction of the server, also those of other tests.
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let database = cluster.database().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    let usual = NewEndpoint::new(receiver.url()).event_types(["usual"]);
    endpoints.add(usual).await.unwrap();
    let ordered = NewEndpoint::new(receiver.url())
        .event_types(["ordered"])
        .ordered(true);
    endpoints.add(ordered).await.unwrap();
    let mut snapshot = PgConnection::connect(database.url()).await.unwrap();
    let mut snapshot = snapshot
        .begin_with("begin isolation level repeatable read")
        .await
        .unwrap();
    snapshot.execute("select 1").await.unwrap();
    let dead = format!(
        "begin;
         insert into hooks.delivery select -n, k.key, null, 1000 + n, 0, 1, 0, 1, 0, false
         from hooks.endpoint k, generate_series(1, {RETRIES}) n where not k.ordered;
         insert into hooks.delivery select -n, k.key, null, 0, 0, 1, 0, 1, 0, true
         from hooks.endpoint k, generate_series(1, {LANE_ROWS}) n where k.ordered;
         delete from hooks.delivery where event_seq < 0;
         commit"
    );
    database.query(&dead).unwrap();

    // Twenty looks a second are made for what is due.
    let began = Instant::now();
    let before = entries(&database, "delivery_due").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let read = entries(&database, "delivery_due").await - before;
    assert!(
        read < looks_max(began) * RETRIES,
        "{read} entries were read of what is due"
    );

    deliver(&webhooks, &receiver, 1).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    deliver(&webhooks, &receiver, 1).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let began = Instant::now();
    let before = entries(&database, "delivery_lane").await;
    deliver(&webhooks, &receiver, 100).await;
    let read = entries(&database, "delivery_lane").await - before;
    assert!(
        read < looks_max(began) * LANE_ROWS,
        "{read} entries were read of a lane"
    );

    // An app's transaction that takes longer than floors stay behind, and does not say when it commits.
    let mut app = PgConnection::connect(database.url()).await.unwrap();
    let mut tx = app.begin().await.unwrap();
    for event_type in ["usual", "ordered"] {
        let event = Event::new(event_type, &1).id(format!("late-{event_type}"));
        webhooks.send_in(&mut tx, "acme", event).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    deliver(&webhooks, &receiver, 1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    deliver(&webhooks, &receiver, 1).await;
    let before = receiver.requests().len();
    tx.commit().await.unwrap();
    let after = Event::new("ordered", &1).id("after");
    webhooks.send("acme", after).await.unwrap();
    receiver.wait_for(before + 3).await;
    let ids = receiver.event_ids();
    let place = |wanted: &str| {
        let place = ids.iter().position(|id| id == wanted);
        place.unwrap_or_else(|| panic!("{wanted}: {:?}", &ids[before..]))
    };
    assert!(place("late-usual") >= before);
    assert!(
        place("late-ordered") < place("after"),
        "{:?}",
        &ids[before..]
    );
    snapshot.rollback().await.unwrap();
}
