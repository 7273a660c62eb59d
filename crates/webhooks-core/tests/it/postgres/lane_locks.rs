//! Nodes that lock several lanes in one transaction: none waits for what another has while that one
//! waits for it.

use std::time::{Duration, Instant};

use scratch_postgres::Database;
use sqlx::{Connection, Executor, PgConnection};
use webhooks_core::{Event, NewEndpoint, RetrySchedule, Webhooks, testing::Receiver};

use super::{open, open_with, until};
use crate::world::gate::Gate;

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
    assert_eq!(deadlocks(&database).await, "0");
}

async fn deadlocks(database: &Database) -> String {
    tokio::time::sleep(TOLD_AFTER).await;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    database.query(deadlocks).unwrap()
}

/// Between the outcomes of a batch and its sends: longer than it takes to find out that two wait for each
/// other, shorter than a lock is waited for.
const SLOW_OUTCOMES: [&str; 2] = [
    "create function hooks.take_time() returns trigger language plpgsql as $$
     begin perform pg_sleep(1.7); return new; end $$",
    "create trigger take_time before insert on hooks.attempt
     for each row execute function hooks.take_time()",
];

/// An endpoint gets into trouble while a batch is written that is about to send to it, and so its lane is
/// one that the batch did not lock at its begin. Another node has that, and waits for one that it did.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_turns_up_late_in_a_batch_is_not_waited_for_in_a_circle() {
    let database = Database::create().unwrap();
    let soon = RetrySchedule::new([Duration::from_millis(20); 8]).unwrap();
    let webhooks = open_with(&database, |builder| builder.retry(soon)).await;
    let (troubled, url) = Gate::start().await;
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(url).await.unwrap();
    let (ordered, url) = Gate::start().await;
    let endpoint = NewEndpoint::new(url).ordered(true);
    endpoints.add(endpoint).await.unwrap();
    let event = |id: &str| Event::new("a", &1).id(id);
    webhooks.send("acme", event("first")).await.unwrap();
    troubled.wait_for(1).await;
    ordered.wait_for(1).await;
    // Some other node has tried the first in vain.
    let lane = "insert into hooks.lane (endpoint_key, due_at, backoff_until, failures)
                select key, 9000000000000, 0, 0 from hooks.endpoint where not ordered";
    database.query(lane).unwrap();
    for statement in SLOW_OUTCOMES {
        database.query(statement).unwrap();
    }

    let hold = webhooks.hold_writer().await.unwrap();
    let sending = webhooks.clone();
    let sent = tokio::spawn(async move { sending.send("acme", event("second")).await });
    ordered.open("first", 200);
    // The outcome and the event wait for the writer.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(hold);
    let takes_time = "select count(*) from pg_stat_activity
                      where wait_event = 'PgSleep' and datname = current_database()";
    until("the outcome is stored", async || {
        database.query(takes_time).unwrap() == "1"
    })
    .await;
    let mut other = PgConnection::connect(database.url()).await.unwrap();
    let mut tx = other.begin().await.unwrap();
    let lock = |ordered: bool| {
        sqlx::AssertSqlSafe(format!(
            "select 1 from hooks.lane where endpoint_key in (
                 select key from hooks.endpoint where ordered = {ordered}) for update"
        ))
    };
    tx.execute(lock(false)).await.unwrap();
    troubled.open("first", 429);
    tx.execute(lock(true)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(sent.await.unwrap().unwrap().deliveries, 2);
    database
        .query("drop trigger take_time on hooks.attempt")
        .unwrap();
    troubled.open("first", 200);
    for gate in [&troubled, &ordered] {
        gate.open("second", 200);
    }
    until("all is delivered", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(deadlocks(&database).await, "0");
}
