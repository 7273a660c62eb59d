//! Ids that callers chose, wanted by several transactions at once: none waits in a circle, nothing of an app's is
//! broken, and who wants none of them is not held up.

use std::time::{Duration, Instant};

use scratch_postgres::Database;
use sqlx::{Connection, PgConnection};
use webhooks_core::{Event, NewEndpoint, SendReceipt, Webhooks, testing::Receiver};

use super::{lane_locks::deadlocks, open, until};

/// How often two nodes send the same.
const ROUNDS: usize = 20;
/// Who sends other events is not held up for longer, on a busy machine.
const SEND_MAX: Duration = Duration::from_secs(1);

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

async fn app(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

async fn add(webhooks: &Webhooks, receiver: &Receiver) {
    let added = webhooks.endpoints("acme").add(receiver.url()).await;
    added.unwrap();
}

async fn send_all(webhooks: &Webhooks, ids: &[String]) -> Vec<SendReceipt> {
    let events = ids.iter().map(|id| event(id));
    webhooks.send_all("acme", events).await.unwrap()
}

/// Whoever notes an id takes this long, before it has it.
fn slow_ids(database: &Database, seconds: f32, of: &str) {
    for statement in [
        format!(
            "create function hooks.take_time() returns trigger language plpgsql as $$
             begin perform pg_sleep({seconds}); return new; end $$"
        ),
        format!(
            "create trigger take_time before insert on hooks.event_key
             for each row when ({of}) execute function hooks.take_time()"
        ),
    ] {
        database.query(&statement).unwrap();
    }
}

fn quick_ids(database: &Database) {
    database
        .query("drop trigger take_time on hooks.event_key")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_send_the_same_ids_in_opposite_order_never_wait_for_each_other() {
    let database = Database::create().unwrap();
    let nodes = [open(&database).await, open(&database).await];
    let receiver = Receiver::start().await.unwrap();
    add(&nodes[0], &receiver).await;
    slow_ids(&database, 0.01, "true");
    for round in 0..ROUNDS {
        let ids = ["early", "late"].map(|name| format!("{round}-{name}"));
        let backwards: Vec<String> = ids.iter().rev().map(String::clone).collect();
        let (one, other) = tokio::join!(send_all(&nodes[0], &ids), send_all(&nodes[1], &backwards));
        let is_new = |of: &SendReceipt| !of.duplicate;
        assert_eq!(one.iter().chain(&other).filter(|of| is_new(of)).count(), 2);
        assert!(one.iter().chain(&other).all(|of| of.deliveries == 1));
    }
    receiver.wait_for(2 * ROUNDS).await;
    assert_eq!(deadlocks(&database).await, "0");
}

/// The app has the second id when a node notes the first, and wants that while the node comes to the second.
#[tokio::test(flavor = "multi_thread")]
async fn an_apps_transaction_outlives_a_node_that_sends_its_ids_in_another_order() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    add(&webhooks, &receiver).await;
    slow_ids(&database, 0.3, "new.id = 'second'");
    let mut app = app(&database).await;
    let mut tx = app.begin().await.unwrap();
    let second = webhooks.send_in(&mut tx, "acme", event("second")).await;
    assert!(!second.unwrap().receipt.duplicate);
    let sending = webhooks.clone();
    let ids = ["first", "second"].map(str::to_owned);
    let sent = tokio::spawn(async move { send_all(&sending, &ids).await });
    let takes_time = "select count(*) from pg_stat_activity
                      where wait_event = 'PgSleep' and datname = current_database()";
    until("a node is about to note the second", async || {
        database.query(takes_time).unwrap() == "1"
    })
    .await;
    let first = webhooks.send_in(&mut tx, "acme", event("first")).await;
    assert!(!first.unwrap().receipt.duplicate);
    tx.commit().await.unwrap();
    quick_ids(&database);
    let sent = sent.await.unwrap();
    assert!(sent.iter().all(|sent| sent.duplicate), "{sent:?}");
    receiver.wait_for(2).await;
    assert_eq!(deadlocks(&database).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_an_open_transaction_has_holds_up_nobody_but_who_sends_it() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    add(&webhooks, &receiver).await;
    let mut app = app(&database).await;
    let mut tx = app.begin().await.unwrap();
    webhooks
        .send_in(&mut tx, "acme", event("taken"))
        .await
        .unwrap();
    let sending = webhooks.clone();
    let taken = tokio::spawn(async move { sending.send("acme", event("taken")).await });
    let mut others = 0;
    while !taken.is_finished() {
        let began = Instant::now();
        // With an id of its own choice, with one of ours, and a change of an endpoint.
        let id = format!("other{others}");
        webhooks.send("acme", event(&id)).await.unwrap();
        webhooks.send("acme", Event::new("a", &1)).await.unwrap();
        let endpoint = NewEndpoint::new(receiver.url()).event_types(["none"]);
        let added = webhooks.endpoints("acme").add(endpoint).await.unwrap();
        let removed = webhooks.endpoints("acme").remove(&added.id).await;
        removed.unwrap();
        let took = began.elapsed();
        assert!(took < SEND_MAX, "{others}: {took:?}");
        others += 1;
    }
    let refused = taken.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("\"taken\""), "{refused}");
    assert!(others > 1, "it waits for a while");
    tx.commit().await.unwrap();
    let again = webhooks.send("acme", event("taken")).await.unwrap();
    assert!(again.duplicate);
    receiver.wait_for(2 * others + 1).await;
}

/// An engine, and a receiver that has an ordered endpoint of each of two customers.
async fn open_for_two_customers(database: &Database) -> (Webhooks, Receiver) {
    let webhooks = open(database).await;
    let receiver = Receiver::start().await.unwrap();
    for customer in ["acme", "other"] {
        let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
        webhooks.endpoints(customer).add(endpoint).await.unwrap();
    }
    (webhooks, receiver)
}

/// A row waits for the id of its event, and those of its customer behind it; not those of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_outbox_table_waits_for_its_id_and_holds_up_no_other_customer() {
    let database = Database::create().unwrap();
    let (webhooks, receiver) = open_for_two_customers(&database).await;
    let mut app = app(&database).await;
    let mut tx = app.begin().await.unwrap();
    webhooks
        .send_in(&mut tx, "acme", event("taken"))
        .await
        .unwrap();
    let rows = "insert into hooks.outbox (customer, type, data, event_id)
                values ('acme', 'a', '1', 'before'), ('acme', 'a', '1', 'taken'), ('acme', 'a', '1', 'behind'),
                       ('other', 'a', '1', 'elsewhere')";
    database.query(rows).unwrap();
    until("what need not wait has arrived", async || {
        let mut arrived = receiver.event_ids();
        arrived.sort();
        arrived == ["before", "elsewhere"]
    })
    .await;
    tx.commit().await.unwrap();
    webhooks.check_outbox().await.unwrap();
    receiver.wait_for(4).await;
    assert_eq!(receiver.event_ids()[2..], ["taken", "behind"]);
}

/// More rows than one transaction looks at.
const ROWS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_of_the_outbox_table_that_wait_for_an_id_hold_up_no_other_customer() {
    let database = Database::create().unwrap();
    let (webhooks, receiver) = open_for_two_customers(&database).await;
    let mut app = app(&database).await;
    let mut tx = app.begin().await.unwrap();
    let id = "0";
    webhooks.send_in(&mut tx, "acme", event(id)).await.unwrap();
    // The first of them waits, and so do all of its customer.
    let rows = format!(
        "insert into hooks.outbox (customer, type, data, event_id)
         select 'acme', 'a', '1'::json, n::text from generate_series({id}, {ROWS}) n
         union all select 'other', 'a', '1', 'elsewhere' || n from generate_series(0, {ROWS}) n"
    );
    database.query(&rows).unwrap();
    receiver.wait_for(ROWS + 1).await;
    let elsewhere: Vec<String> = (0..=ROWS).map(|n| format!("elsewhere{n}")).collect();
    assert_eq!(receiver.event_ids(), elsewhere);
    tx.commit().await.unwrap();
    receiver.wait_for(2 * (ROWS + 1)).await;
    let acme: Vec<String> = (0..=ROWS).map(|n| n.to_string()).collect();
    assert_eq!(receiver.event_ids()[ROWS + 1..], acme);
}
