//! A node that is declared dead while it is in the middle of something.

use std::{collections::BTreeSet, time::Duration};

use scratch_postgres::Database;
use sqlx::{Connection, Executor, PgConnection};
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
/// The nodes are what a function returns: whoever locks one locks nothing.
const UNLOCKED: [&str; 5] = [
    "alter table hooks.node rename to node_row",
    "create function hooks.nodes() returns setof hooks.node_row language sql as $$
     select * from hooks.node_row $$",
    "create view hooks.node as select * from hooks.nodes()",
    "create function hooks.change_node() returns trigger language plpgsql as $$ begin
         if tg_op = 'DELETE' then
             delete from hooks.node_row where id = old.id;
             return old;
         end if;
         update hooks.node_row
         set seen_at = new.seen_at, reached_at = new.reached_at, alive = new.alive,
             seen_version = new.seen_version, listens = new.listens, writer = new.writer,
             leaving = new.leaving
         where id = new.id;
         return new;
     end $$",
    "create trigger change_node instead of update or delete on hooks.node
     for each row execute function hooks.change_node()",
];
/// Two nodes that died together. The one that is freed first has the lane with the higher key.
const TWO_DYING: [&str; 3] = [
    "insert into hooks.node (id, name, seen_at, reached_at, alive)
     select nextval('hooks.node_id'), 'dying', clock_timestamp() - interval '1 minute', 0, true
     from generate_series(1, 2)",
    "insert into hooks.lane (endpoint_key, due_at, backoff_until, failures, node)
     select max(e.key), null, 0, 0, (select min(id) from hooks.node where name = 'dying') from hooks.endpoint e",
    "insert into hooks.lane (endpoint_key, due_at, backoff_until, failures, node)
     select min(e.key), null, 0, 0, (select max(id) from hooks.node where name = 'dying') from hooks.endpoint e",
];
const HOLD_LOW_LANE: &str =
    "select 1 from hooks.lane where endpoint_key = (select min(key) from hooks.endpoint)
                             for update";
/// Or gone: a lane that is free may be found empty.
const HIGH_LANE_IS_FREE: &str = "with high as (select max(key) as key from hooks.endpoint),
         free as materialized (
             select 1 from hooks.lane where endpoint_key = (select key from high) for update skip locked)
     select (select count(*) from free)
            = (select count(*) from hooks.lane where endpoint_key = (select key from high))";
const WAITS_FOR_LANE: &str = "select exists (
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%hooks.lane%')";
const DEAD: &str = "select count(*) from hooks.node where not alive";
/// What a node claimed that is dead.
const ORPHANS: &str =
    "select count(*) from hooks.delivery d join hooks.node n on n.id = d.claim >> 40
                       where not n.alive";
/// An app's transaction locks the nodes that live, as a batch of a node's own locks that.
const HOLDS_NODES: [&str; 2] = [
    "create function hooks.hold_nodes() returns trigger language plpgsql as $$
     begin perform 1 from hooks.node for key share; return new; end $$",
    "create trigger hold_nodes before insert on hooks.event for each row
     when (current_setting('application_name') not in ('mute', 'webhooks-core'))
     execute function hooks.hold_nodes()",
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
/// Longer than it takes to take a node for dead, and to find what it had.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(15);
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

/// A node that is about to be taken for dead, and whose next batch ends after that; another; and a receiver.
async fn store_while_dying(database: &Database, rules: &[&str]) -> (Webhooks, Webhooks, Receiver) {
    let (dying, other) = (open_mute(database).await, open(database).await);
    let receiver = Receiver::start().await.unwrap();
    let endpoints = dying.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    // It knows the endpoint, and has all in memory.
    dying.send("acme", event("before")).await.unwrap();
    receiver.wait_for(1).await;
    for statement in SLOW_BATCH {
        database.query(statement).unwrap();
    }
    mute(database);
    for statement in rules {
        database.query(statement).unwrap();
    }
    tokio::time::sleep(BEFORE_SLOW_BATCH).await;
    let sent = dying.send("acme", event("slow")).await.unwrap();
    assert_eq!(sent.deliveries, 1);
    (dying, other, receiver)
}

#[tokio::test]
async fn what_a_node_stores_while_it_is_taken_for_dead_is_delivered_by_another_or_refused() {
    let database = Database::create().unwrap();
    let (dying, other, receiver) = store_while_dying(&database, &[]).await;
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
async fn without_a_lock_on_its_nodes_row_a_batch_claims_for_a_dead_node() {
    let database = Database::create().unwrap();
    let (_dying, other, receiver) = store_while_dying(&database, &UNLOCKED).await;
    until("it is taken for dead", async || {
        database.query(ORPHANS).unwrap() == "1"
    })
    .await;
    tokio::time::sleep(LONGER_THAN_A_LEASE).await;
    // Nobody looks for it any more.
    assert_eq!(receiver.event_ids(), ["before"]);
    assert_eq!(other.pending().await.unwrap(), 1);
    assert_eq!(database.query(ORPHANS).unwrap(), "1");
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
async fn with_a_lock_on_nodes_an_open_transaction_of_an_app_keeps_a_dead_one_alive() {
    let database = Database::create().unwrap();
    let (dying, _other) = (open_mute(&database).await, open(&database).await);
    for statement in HOLDS_NODES {
        database.query(statement).unwrap();
    }
    let (gate, url) = Gate::start().await;
    dying.endpoints("acme").add(url).await.unwrap();
    dying.send("acme", event("in-flight")).await.unwrap();
    gate.wait_for(1).await;
    let mut app = PgConnection::connect(database.url()).await.unwrap();
    let mut tx = app.begin().await.unwrap();
    dying.send_in(&mut tx, "acme", event("late")).await.unwrap();
    mute(&database);
    tokio::time::sleep(LONGER_THAN_A_LEASE).await;
    assert_eq!(database.query(DEAD).unwrap(), "0");
    tx.commit().await.unwrap();
    until("it is taken for dead", async || {
        database.query(DEAD).unwrap() == "1"
    })
    .await;
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

/// Lanes are locked in the order of their keys, so that nobody waits in a circle: those of two nodes by two
/// transactions.
#[tokio::test]
async fn nodes_that_died_together_are_freed_by_a_transaction_each() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    for customer in ["low", "high"] {
        let endpoints = webhooks.endpoints(customer);
        endpoints.add("http://127.0.0.1:1/").await.unwrap();
    }
    let mut other = PgConnection::connect(database.url()).await.unwrap();
    let [nodes, high, low] = TWO_DYING;
    // Nobody sees them before the lower lane is held.
    let mut tx = other.begin().await.unwrap();
    for statement in [nodes, high, low] {
        tx.execute(statement).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = other.begin().await.unwrap();
    tx.execute(HOLD_LOW_LANE).await.unwrap();
    until("its lane is waited for", async || {
        database.query(WAITS_FOR_LANE).unwrap() == "t"
    })
    .await;
    // Less than a lock is waited for. It may be free already, and locked for the moment in which it is taken.
    let mut is_free = false;
    for _ in 0..25 {
        is_free |= database.query(HIGH_LANE_IS_FREE).unwrap() == "t";
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(is_free, "who waits for one lane has the other");
    tx.commit().await.unwrap();
    until("both are dead", async || {
        database.query(DEAD).unwrap() == "2"
    })
    .await;
}
