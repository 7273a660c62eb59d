//! A node that is declared dead while it is in the middle of something.

use std::{collections::BTreeSet, time::Duration};

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
/// A node of which nothing was heard for a minute, and whose death takes longer than our sessions let a statement
/// take: as when what it held is found among millions of rows.
const SLOW_DEATH: [&str; 3] = [
    "create function hooks.die_slowly() returns trigger language plpgsql as $$
     begin perform pg_sleep(12); return new; end $$",
    "create trigger die_slowly before update on hooks.node
     for each row when (old.alive and not new.alive) execute function hooks.die_slowly()",
    "insert into hooks.node (id, name, seen_at, reached_at, alive)
     values (nextval('hooks.node_id'), 'dying', clock_timestamp() - interval '1 minute', 0, true)",
];
const DYING: &str = "select exists (
    select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep')";
const BEAT: &str = "select seen_at from hooks.node where name <> 'dying'";
const IS_DEAD: &str = "select not alive from hooks.node where name = 'dying'";
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

#[tokio::test]
async fn a_node_says_that_it_lives_while_it_frees_all_that_a_dead_one_held() {
    let database = Database::create().unwrap();
    let _alive = open(&database).await;
    for statement in SLOW_DEATH {
        database.query(statement).unwrap();
    }
    // How often the living one was heard of meanwhile.
    let mut beats = BTreeSet::new();
    until("the other is dying", async || {
        database.query(DYING).unwrap() == "t"
    })
    .await;
    while database.query(DYING).unwrap() == "t" {
        beats.insert(database.query(BEAT).unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(beats.len() > 3, "{beats:?}");
    // It took longer than any other statement may.
    until("the other is dead", async || {
        database.query(IS_DEAD).unwrap() == "t"
    })
    .await;
    assert_eq!(
        database
            .query("select count(*) from hooks.node where alive")
            .unwrap(),
        "1"
    );
}
