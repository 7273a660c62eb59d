//! Nodes wake each other. Here an engine that hears others looks of its own accord once an hour.

use std::time::{Duration, Instant};

use scratch_postgres::{Database, Pooler};
use webhooks_core::{Event, NewEndpoint, Webhooks, testing::Receiver};

use super::{address, open_with, until};
use crate::world::gate::Gate;

const HOUR: Duration = Duration::from_secs(3600);
const ROUNDS: usize = 8;
/// Long enough for all rounds on a busy machine, and too short for more than one look of the due loop.
const PATIENCE: Duration = Duration::from_secs(25);

/// The connections that listen.
const LISTENING: &str = "
    from pg_stat_activity
    where datname = current_database() and (query ~ '^(LISTEN|notify)' or query = 'select 1')";

async fn open(database: &Database) -> Webhooks {
    open_with(database, |builder| builder.look_wait(HOUR)).await
}

async fn listens(database: &Database, engines: usize) {
    let count = format!("select count(*) {LISTENING}");
    until("everybody listens", async || {
        database.query(&count).unwrap() == engines.to_string()
    })
    .await;
}

async fn send(webhooks: &Webhooks, id: &str) {
    let event = Event::new("a", &1).id(id);
    webhooks.send("acme", event).await.unwrap();
}

/// Sends to an endpoint that another node owns, again and again.
async fn hand_over(from: &Webhooks, receiver: &Receiver) {
    let (began, arrived) = (Instant::now(), receiver.requests().len());
    for round in 1..=ROUNDS {
        send(from, &format!("e{}", arrived + round)).await;
        receiver.wait_for(arrived + round).await;
    }
    let took = began.elapsed();
    assert!(took < PATIENCE, "{ROUNDS} events took {took:?}");
}

#[tokio::test]
async fn an_event_for_an_endpoint_of_another_node_does_not_wait_for_a_look() {
    let database = Database::create().unwrap();
    let (owner, other) = (open(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    owner.endpoints("acme").add(endpoint).await.unwrap();
    listens(&database, 2).await;
    hand_over(&other, &receiver).await;
}

#[tokio::test]
async fn a_change_of_an_endpoint_is_heard_of_by_the_node_that_has_its_events() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let (gate, url) = Gate::start().await;
    let added = one.endpoints("acme").add(url).await.unwrap();
    listens(&database, 2).await;
    for n in 0..20 {
        send(&other, &format!("e{n}")).await;
    }
    // Each of two nodes has half of the default.
    gate.wait_for(4).await;
    let held = async || {
        let nodes = one.nodes().await.unwrap();
        nodes.iter().map(|node| node.held).sum::<u64>()
    };
    let before = held().await;
    one.endpoints("acme").pause(&added.id).await.unwrap();
    until("what has not begun is given back", async || {
        held().await <= 8
    })
    .await;
    assert!(before > 8, "{before} were held before");
    for n in 0..20 {
        gate.open(&format!("e{n}"), 200);
    }
}

#[tokio::test]
async fn the_connection_that_listens_is_made_anew_when_it_is_cut() {
    let database = Database::create().unwrap();
    let (owner, other) = (open(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    owner.endpoints("acme").add(endpoint).await.unwrap();
    listens(&database, 2).await;
    let cut = format!("select count(pg_terminate_backend(pid)) {LISTENING}");
    assert_eq!(database.query(&cut).unwrap(), "2");
    // Nobody is told of this one: whoever does not listen looks.
    send(&other, "meanwhile").await;
    receiver.wait_for(1).await;
    listens(&database, 2).await;
    hand_over(&other, &receiver).await;
}

#[tokio::test]
async fn a_program_that_fills_the_outbox_table_can_say_so() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    listens(&database, 1).await;
    let began = Instant::now();
    for n in 1..=ROUNDS {
        let insert = "insert into hooks.outbox (customer, type, data) values ('acme', 'a', '1')";
        database.query(insert).unwrap();
        database.query("notify hooks").unwrap();
        receiver.wait_for(n).await;
    }
    let took = began.elapsed();
    assert!(took < PATIENCE, "{ROUNDS} rows took {took:?}");
}

#[tokio::test]
async fn what_a_node_had_goes_on_at_once_when_it_ends_in_order() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let (gate, url) = Gate::start().await;
    let ordered = NewEndpoint::new(url).ordered(true);
    one.endpoints("acme").add(ordered).await.unwrap();
    listens(&database, 2).await;
    send(&one, "first").await;
    gate.wait_for(1).await;
    // From the first request on the due loop of the other may look once by itself.
    let began = Instant::now();
    one.shutdown(Duration::ZERO).await;
    gate.open("first", 200);
    until("it went out again", async || gate.arrived().len() == 2).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "it took {took:?}");
    drop(other);
}

#[tokio::test]
async fn behind_a_pooler_an_engine_looks_and_does_not_listen() {
    let database = Database::create().unwrap();
    let pooler = Pooler::start(database.url()).unwrap();
    let pooled = format!("{}?schema=hooks&mode=pooled", pooler.url());
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let pooled = builder.look_wait(HOUR).open(&pooled).await.unwrap();
    let direct = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let direct = direct.open(&address(&database)).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    pooled.endpoints("acme").add(endpoint).await.unwrap();
    listens(&database, 1).await;
    hand_over(&direct, &receiver).await;
}
