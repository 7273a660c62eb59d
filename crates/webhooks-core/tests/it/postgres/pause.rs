//! A pause holds over all nodes when it returns.

use std::time::{Duration, Instant};

use scratch_postgres::{Database, query};
use webhooks_core::Event;

use super::{meter::Meter, open, until};

/// For so long a node cannot hear of anything.
const DEAF: &str = "1.5";

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_returns_when_every_node_has_heard_of_it() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let (meter, url) = Meter::start(Duration::from_millis(40)).await;
    let added = one.endpoints("acme").add(url).await.unwrap();
    let events = (0..400).map(|n| Event::new("a", &n));
    other.send_all("acme", events).await.unwrap();
    until("requests go out", async || meter.arrived().len() > 4).await;
    // The other's transactions wait for its row; what it has in memory does not.
    let id = other
        .nodes()
        .await
        .unwrap()
        .iter()
        .find(|node| node.is_this)
        .unwrap()
        .id;
    let deafen = format!(
        "do $$ begin perform 1 from hooks.node where id = {id} for update; perform pg_sleep({DEAF}); end $$"
    );
    let url = database.url().to_owned();
    let deaf = tokio::task::spawn_blocking(move || query(&url, &deafen));
    let sleeps = "select count(*) from pg_stat_activity
                  where wait_event = 'PgSleep' and datname = current_database()";
    until("it is deaf", async || {
        database.query(sleeps).unwrap() == "1"
    })
    .await;
    one.endpoints("acme").pause(&added.id).await.unwrap();
    let at_return = meter.arrived().len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let later = meter.arrived().len();
    // What was about to go out at that moment.
    assert!(
        later - at_return <= 8,
        "{at_return} requests when it returned, then {later}"
    );
    assert!(later < 400, "nothing was left to be kept back");
    deaf.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_pause_waits_for_a_node_that_says_nothing_until_its_lease_has_ended() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let endpoints = webhooks.endpoints("acme");
    let added = endpoints.add("http://127.0.0.1:1/").await.unwrap();
    let silent = "insert into hooks.node (id, name, seen_at, reached_at, alive)
                  values (1000, 'silent', clock_timestamp() - interval '7 seconds', 0, true)";
    database.query(silent).unwrap();
    let began = Instant::now();
    endpoints.pause(&added.id).await.unwrap();
    let waited = began.elapsed();
    assert!(waited > Duration::from_millis(2_500), "{waited:?}");
    assert!(waited < Duration::from_secs(8), "{waited:?}");
}
