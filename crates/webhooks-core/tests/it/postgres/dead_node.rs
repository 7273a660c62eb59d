//! A node that is declared dead while it is in the middle of something.

use std::time::Duration;

use scratch_postgres::Database;
use sqlx::{Connection, PgConnection};
use webhooks_core::{Event, Webhooks, testing::Receiver};

use super::{address, open, until};
use crate::world::gate::Gate;

/// A node of which nothing is heard any more, and that works on all the same: it can neither say that it
/// lives, nor that it ends.
const MUTE: [&str; 2] = [
    "create function hooks.mute() returns trigger language plpgsql as $$ begin
         if current_setting('application_name') = 'mute' then raise exception 'mute'; end if;
         return new;
     end $$",
    "create trigger mute before update on hooks.node for each row execute function hooks.mute()",
];
/// Its batch: it begins before the node is dead, and ends after that.
const SLOW_BATCH: [&str; 2] = [
    "create function hooks.take_time() returns trigger language plpgsql as $$
     begin perform pg_sleep(8); return new; end $$",
    "create trigger take_time before insert on hooks.event
     for each row when (new.id = 'slow') execute function hooks.take_time()",
];
/// Before it begins: the lease is 10 s.
const BEFORE_SLOW_BATCH: Duration = Duration::from_secs(5);
/// For as long as a dead node may go unnoticed, and what it had may take.
const PATIENCE: Duration = Duration::from_secs(30);

async fn open_mute(database: &Database) -> Webhooks {
    let address = format!("{}&application_name=mute", address(database));
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    builder.open(&address).await.unwrap()
}

fn mute(database: &Database) {
    for statement in MUTE {
        database.query(statement).unwrap();
    }
}

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

#[tokio::test]
async fn what_a_node_stores_while_it_is_taken_for_dead_is_delivered_by_another_or_refused() {
    let database = Database::create().unwrap();
    let (dying, other) = (open_mute(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    let endpoints = dying.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    // It knows the endpoint, and has all in memory.
    dying.send("acme", event("before")).await.unwrap();
    receiver.wait_for(1).await;
    for statement in SLOW_BATCH {
        database.query(statement).unwrap();
    }
    mute(&database);
    tokio::time::sleep(BEFORE_SLOW_BATCH).await;
    let sent = dying.send("acme", event("slow")).await.unwrap();
    assert_eq!(sent.deliveries, 1);
    // It was stored: so somebody delivers it, who is not the one that may not.
    let arrived = tokio::time::timeout(PATIENCE, receiver.wait_for(2)).await;
    assert!(arrived.is_ok(), "{:?}", receiver.event_ids());
    assert_eq!(receiver.event_ids(), ["before", "slow"]);
    until("nothing is pending", async || {
        other.pending().await.unwrap() == 0
    })
    .await;
    // From its death on it stores nothing.
    let refused = dying.send("acme", event("after")).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn an_open_transaction_of_an_app_keeps_no_node_from_being_taken_for_dead() {
    let database = Database::create().unwrap();
    let (dying, other) = (open_mute(&database).await, open(&database).await);
    let (gate, url) = Gate::start().await;
    dying.endpoints("acme").add(url).await.unwrap();
    dying.send("acme", event("in-flight")).await.unwrap();
    gate.wait_for(1).await;
    let mut app = PgConnection::connect(database.url()).await.unwrap();
    let mut tx = app.begin().await.unwrap();
    let late = dying.send_in(&mut tx, "acme", event("late")).await.unwrap();
    mute(&database);
    // What it had goes on, though the transaction is open.
    let again = tokio::time::timeout(PATIENCE, gate.wait_for(2)).await;
    assert!(again.is_ok(), "{:?}", gate.arrived());
    tx.commit().await.unwrap();
    // The one that knows of it delivers nothing any more.
    late.deliver_now();
    for id in ["in-flight", "late"] {
        gate.open(id, 200);
    }
    until("nothing is pending", async || {
        other.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(gate.arrived(), ["in-flight", "in-flight", "late"]);
}
