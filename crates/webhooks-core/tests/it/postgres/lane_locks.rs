//! Nodes that lock several lanes in one transaction: none waits for what another has while that one
//! waits for it.

use std::time::{Duration, Instant};

use scratch_postgres::Database;
use sqlx::{Connection, Executor, PgConnection};
use webhooks_core::{
    EndpointChange, EndpointId, Event, NewEndpoint, RetrySchedule, Webhooks, testing::Receiver,
};

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

pub(super) async fn deadlocks(database: &Database) -> String {
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

/// Longer than a batch takes to come to whatever it waits for, shorter than it takes to find out that two
/// wait for each other.
const COMES_TO_IT: Duration = Duration::from_millis(300);

/// Two endpoints, of which the first has no lane, and the second is ordered.
async fn add_two(webhooks: &Webhooks) -> [EndpointId; 2] {
    let endpoints = webhooks.endpoints("acme");
    let first = NewEndpoint::new("http://127.0.0.1:9/").event_types(["none"]);
    let first = endpoints.add(first).await.unwrap().id;
    let second = NewEndpoint::new("http://127.0.0.1:9/").ordered(true);
    [first, endpoints.add(second).await.unwrap().id]
}

fn damage_first(database: &Database) {
    let damage = "update hooks.endpoint set settings = '\\x007b' where not ordered";
    database.query(damage).unwrap();
}

/// Another node has made the first lane when this one writes a batch that is about both, and wants the second
/// a little later.
async fn meet_at_the_first_lane(
    (database, webhooks): (&Database, &Webhooks),
    second: &EndpointId,
    about_first: impl AsyncFn(),
) {
    let endpoints = webhooks.endpoints("acme");
    let mut other = PgConnection::connect(database.url()).await.unwrap();
    let mut tx = other.begin().await.unwrap();
    let make = "insert into hooks.lane (endpoint_key, due_at, backoff_until, failures)
                select key, null, 0, 0 from hooks.endpoint where not ordered";
    tx.execute(make).await.unwrap();
    let hold = webhooks.hold_writer().await.unwrap();
    let edit = async {
        let change = EndpointChange::new().event_types(["a"]);
        endpoints.edit(second, change).await.unwrap();
    };
    let meet = async {
        tokio::time::sleep(COMES_TO_IT).await;
        drop(hold);
        tokio::time::sleep(COMES_TO_IT).await;
        let lock = "select 1 from hooks.lane where endpoint_key in (
                        select key from hooks.endpoint where ordered) for update";
        tx.execute(lock).await.unwrap();
        tx.commit().await.unwrap();
    };
    tokio::join!(edit, about_first(), meet);
    assert_eq!(deadlocks(database).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_gives_an_endpoint_a_limit_waits_for_its_lane_in_the_order_of_lanes() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let [first, second] = add_two(&webhooks).await;
    let endpoints = webhooks.endpoints("acme");
    meet_at_the_first_lane((&database, &webhooks), &second, async || {
        let change = EndpointChange::new().in_flight(2);
        endpoints.edit(&first, change).await.unwrap();
    })
    .await;
    let owned = database.query("select count(*) from hooks.lane where owned");
    assert_eq!(owned.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_cannot_be_read_is_removed_in_the_order_of_lanes() {
    let database = Database::create().unwrap();
    let added = open(&database).await;
    let [first, second] = add_two(&added).await;
    added.shutdown(Duration::from_secs(5)).await;
    damage_first(&database);
    let webhooks = open(&database).await;
    let endpoints = webhooks.endpoints("acme");
    meet_at_the_first_lane((&database, &webhooks), &second, async || {
        endpoints.remove(&first).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_endpoint_that_cannot_be_read_is_owed_is_set_aside_without_a_wait_for_its_lane() {
    let database = Database::create().unwrap();
    let added = open(&database).await;
    let [_, second] = add_two(&added).await;
    added.shutdown(Duration::from_secs(5)).await;
    damage_first(&database);
    let webhooks = open(&database).await;
    // From here on it has heard of all changes: what it looks for is not held up by those.
    webhooks.check_outbox().await.unwrap();
    meet_at_the_first_lane((&database, &webhooks), &second, async || {
        // It becomes due while the writer is held.
        let owe = "insert into hooks.delivery
                   (event_seq, endpoint_key, claim, due_at, owed_at, number, event_day, attempts, slot, lane)
                   select 1, key, null, 1, 1, 0, 0, 0, 0, false from hooks.endpoint where not ordered;
                   notify hooks";
        database.query(owe).unwrap();
    })
    .await;
    until("it stands in the lane", async || {
        let in_lane = database.query("select count(*) from hooks.delivery where lane");
        in_lane.unwrap() == "1"
    })
    .await;
}

/// Whoever adds an endpoint has its customer for a while.
const SLOW_ENDPOINTS: [&str; 2] = [
    "create function hooks.take_time() returns trigger language plpgsql as $$
     begin perform pg_sleep(0.1); return new; end $$",
    "create trigger take_time before insert on hooks.endpoint
     for each row execute function hooks.take_time()",
];

/// What has no order among transactions can make two wait for each other: Postgres ends one of them, and all
/// of it is made again.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_that_two_transactions_waited_for_each_other() {
    let database = Database::create().unwrap();
    let nodes = [open(&database).await, open(&database).await];
    for statement in SLOW_ENDPOINTS {
        database.query(statement).unwrap();
    }
    let mut calls = tokio::task::JoinSet::new();
    let mut holds = Vec::new();
    for (node, customers) in nodes.iter().zip([["first", "second"], ["second", "first"]]) {
        holds.push(node.hold_writer().await.unwrap());
        for customer in customers {
            let node = node.clone();
            calls.spawn(async move {
                let added = node.endpoints(customer).add("http://127.0.0.1:9/").await;
                added.unwrap();
            });
            // They are queued in this order.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let node = node.clone();
        calls.spawn(async move {
            let event = Event::new("a", &1).id("sent");
            node.send("third", event).await.unwrap();
        });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(holds);
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
    }
    assert_ne!(deadlocks(&database).await, "0", "they met");
    let added = database.query("select count(*) from hooks.endpoint");
    assert_eq!(added.unwrap(), "4");
}
