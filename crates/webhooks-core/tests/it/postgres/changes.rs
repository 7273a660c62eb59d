//! What one node changes of endpoints, and when exactly another hears of it.

use scratch_postgres::{Cluster, Database, Settings};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use webhooks_core::{EndpointChange, Event, SendError, StoreError, Webhooks};

use super::{
    open,
    scissors::{Cut, Scissors},
    until,
};
use crate::world::gate::Gate;

/// A node looks into this table before it tells its writer that something has changed.
const KEEP_FROM_LOOKING: &str = "lock table hooks.outbox in access exclusive mode";
/// A transaction that has begun, and waits for its node's row with what it has read by then.
const WAITING: &str = "
    select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%webhooks_head%'";
/// How often it is tried: a lock is waited for no longer than two seconds.
const TRIES: usize = 10;

async fn id_of(webhooks: &Webhooks) -> i64 {
    let nodes = webhooks.nodes().await.unwrap();
    nodes.iter().find(|node| node.is_this).unwrap().id
}

/// An endpoint is added before a send on another node begins, and changed once more right behind its
/// begin. Returns to how many endpoints the event is owed; `None` when it was refused.
async fn sent_between(
    database: &Database,
    (sender, other): (&Webhooks, &Webhooks),
) -> Option<usize> {
    let mut looks = PgConnection::connect(database.url()).await.unwrap();
    let mut looks = looks.begin().await.unwrap();
    let keep = sqlx::query(KEEP_FROM_LOOKING);
    keep.execute(&mut *looks).await.unwrap();
    let mut row = PgConnection::connect(database.url()).await.unwrap();
    let mut row = row.begin().await.unwrap();
    let lock = format!(
        "select from hooks.node where id = {} for update",
        id_of(sender).await
    );
    let lock = sqlx::query(AssertSqlSafe(lock));
    lock.execute(&mut *row).await.unwrap();
    let endpoints = other.endpoints("acme");
    let added = endpoints.add("http://127.0.0.1:1/").await.unwrap();
    let sending = sender.clone();
    let id = added.id.to_string();
    let event = Event::new("a", &1).id(format!("behind-{id}"));
    let sent = tokio::spawn(async move { sending.send("acme", event).await });
    until("the send has begun", async || {
        sent.is_finished() || database.query(WAITING).unwrap() == "1"
    })
    .await;
    endpoints
        .edit(&added.id, EndpointChange::new().header("x-changed", "1"))
        .await
        .unwrap();
    row.rollback().await.unwrap();
    let sent = sent.await.unwrap();
    looks.rollback().await.unwrap();
    match sent {
        Ok(receipt) => Some(receipt.deliveries),
        Err(SendError::Store(StoreError::Busy)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_endpoint_that_is_changed_again_while_a_send_begins_is_owed_the_event() {
    let database = Database::create().unwrap();
    let (sender, other) = (open(&database).await, open(&database).await);
    for added in 0..TRIES {
        let event = Event::new("a", &1).id(format!("before-{added}"));
        // The sender knows the customer's endpoints without the next one.
        let sent = sender.send("acme", event).await.unwrap();
        assert_eq!(sent.deliveries, added);
        if let Some(deliveries) = sent_between(&database, (&sender, &other)).await {
            assert_eq!(deliveries, added + 1);
            return;
        }
    }
    panic!("it was never met");
}

/// A change that is lost on its way, whose number another change gets.
#[tokio::test]
async fn a_change_with_the_number_of_one_that_was_rolled_back_is_heard_of() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let scissors = Scissors::before(cluster.port()).await;
    let open = async |address: &str| {
        let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
        builder.open(address).await.unwrap()
    };
    let one = open(&scissors.address()).await;
    let other = open(&format!("{}?schema=hooks", cluster.url())).await;
    let (gate, url) = Gate::start().await;
    let paused = one.endpoints("acme").add(url).await.unwrap().id;
    let edited = one
        .endpoints("else")
        .add("http://127.0.0.1:1/")
        .await
        .unwrap()
        .id;
    // Memory keeps an endpoint while something of it is in flight.
    let send = async |id: &str| one.send("acme", Event::new("a", &1).id(id)).await.unwrap();
    send("in-flight").await;
    gate.wait_for(1).await;
    for change in 0.. {
        assert!(change < TRIES, "the edit was never lost");
        let change = EndpointChange::new().header("x-change", change.to_string());
        scissors.cut_at("commit", Cut::Before);
        let edit = one.endpoints("else").edit(&edited, change).await;
        // What a node does by itself may be cut in its place.
        if scissors.made().is_some() && edit.is_err() {
            break;
        }
    }
    other.endpoints("acme").pause(&paused).await.unwrap();
    send("paused").await;
    let held = "select count(*) from hooks.delivery where lane and claim is null";
    until("it is decided where it goes", async || {
        gate.arrived().len() > 1 || cluster.query(held).unwrap() == "1"
    })
    .await;
    assert_eq!(gate.arrived(), ["in-flight"]);
    gate.open("in-flight", 200);
}
