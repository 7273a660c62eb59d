//! Nodes that lock several lanes in one transaction: none waits for what another has while that one
//! waits for it.

use std::time::{Duration, Instant};

use scratch_postgres::Database;
use webhooks_core::{Event, NewEndpoint, Webhooks, testing::Receiver};

use super::{open, until};

/// For how long both nodes work on each other's lanes.
const SPAN: Duration = Duration::from_secs(3);
/// Sessions tell of their deadlocks once a second.
const TOLD_AFTER: Duration = Duration::from_millis(1_500);

/// Whoever changes a lane has it for a while.
const SLOW_LANES: [&str; 2] = [
    "create function hooks.take_time() returns trigger language plpgsql as $$
     begin perform pg_sleep(0.01); return new; end $$",
    "create trigger take_time after insert or update on hooks.lane
     for each row execute function hooks.take_time()",
];

async fn send_for_a_while(webhooks: Webhooks, customer: &'static str, name: &str) {
    let end = Instant::now() + SPAN;
    for n in 0.. {
        if Instant::now() > end {
            return;
        }
        let event = Event::new("a", &1).id(format!("{name}-{customer}-{n}"));
        webhooks.send(customer, event).await.unwrap();
    }
}

async fn fill_outbox_for_a_while(database: &Database) {
    let end = Instant::now() + SPAN;
    let mut customers = ["third", "second", "first"].into_iter().cycle();
    while Instant::now() < end {
        for customer in customers.by_ref().take(2) {
            let insert = format!(
                "insert into hooks.outbox (customer, type, data) values ('{customer}', 'a', '1')"
            );
            database.query(&insert).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_send_to_each_others_ordered_endpoints_never_wait_for_each_other() {
    let database = Database::create().unwrap();
    let nodes = [
        open(&database).await,
        open(&database).await,
        open(&database).await,
    ];
    let receiver = Receiver::start().await.unwrap();
    // The lanes of three nodes.
    for (node, customer) in nodes.iter().zip(["first", "second", "third"]) {
        let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
        node.endpoints(customer).add(endpoint).await.unwrap();
    }
    for statement in SLOW_LANES {
        database.query(statement).unwrap();
    }
    let mut senders = tokio::task::JoinSet::new();
    for (n, node) in nodes.iter().enumerate() {
        for customer in ["first", "second", "third"] {
            let node = node.clone();
            senders.spawn(async move {
                send_for_a_while(node, customer, &format!("node{n}")).await;
            });
        }
    }
    fill_outbox_for_a_while(&database).await;
    while let Some(ended) = senders.join_next().await {
        ended.unwrap();
    }
    database
        .query("drop trigger take_time on hooks.lane")
        .unwrap();
    until("all is delivered", async || {
        nodes[0].pending().await.unwrap() == 0
    })
    .await;
    tokio::time::sleep(TOLD_AFTER).await;
    let deadlocks =
        database.query("select deadlocks from pg_stat_database where datname = current_database()");
    assert_eq!(deadlocks.unwrap().trim(), "0");
}
