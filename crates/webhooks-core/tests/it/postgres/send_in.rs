//! Events in an app's own transaction.

use scratch_postgres::Database;
use sqlx::{Connection, Executor, PgConnection};
use webhooks_core::{EndpointChange, Event, NewEndpoint, SendError, testing::Receiver};

use super::{open, until};

async fn app(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

#[tokio::test]
async fn an_event_is_delivered_with_the_apps_rows_or_not_at_all() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    let mut app = app(&database).await;
    app.execute("create table orders (number int)")
        .await
        .unwrap();
    let mut tx = app.begin().await.unwrap();
    tx.execute("insert into orders values (1)").await.unwrap();
    let event = Event::new("order", &1).id("lost");
    let sent = webhooks.send_in(&mut tx, "acme", event).await.unwrap();
    assert_eq!(sent.receipt.deliveries, 1);
    tx.rollback().await.unwrap();
    sent.deliver_now();
    assert_eq!(webhooks.event("acme", "lost").await.unwrap(), None);

    let mut tx = app.begin().await.unwrap();
    tx.execute("insert into orders values (2)").await.unwrap();
    let event = Event::new("order", &2).id("kept");
    let sent = webhooks.send_in(&mut tx, "acme", event).await.unwrap();
    // Not before the commit.
    sent.deliver_now();
    webhooks.check_outbox().await.unwrap();
    assert_eq!(receiver.event_ids(), [""; 0]);
    tx.commit().await.unwrap();
    sent.deliver_now();
    receiver.wait_for(1).await;
    assert_eq!(receiver.event_ids(), ["kept"]);
}

#[tokio::test]
async fn an_event_is_delivered_though_nobody_says_that_it_is_committed() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    webhooks.endpoints("acme").add(endpoint).await.unwrap();
    let mut app = app(&database).await;
    for n in 0..20 {
        let mut tx = app.begin().await.unwrap();
        let event = Event::new("order", &n).id(format!("e{n}"));
        webhooks.send_in(&mut tx, "acme", event).await.unwrap();
        tx.commit().await.unwrap();
    }
    receiver.wait_for(20).await;
    let ids: Vec<String> = (0..20).map(|n| format!("e{n}")).collect();
    assert_eq!(receiver.event_ids(), ids);
}

/// The event was added to a lane, which nobody owns any more when it is committed.
#[tokio::test]
async fn an_event_is_delivered_though_its_endpoints_limit_went_while_the_transaction_was_open() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    let limited = NewEndpoint::new(receiver.url()).in_flight(2);
    let id = endpoints.add(limited).await.unwrap().id;
    let mut app = app(&database).await;
    let mut tx = app.begin().await.unwrap();
    let event = Event::new("order", &1).id("late");
    webhooks.send_in(&mut tx, "acme", event).await.unwrap();
    let free = EndpointChange::new().in_flight(None);
    endpoints.edit(&id, free).await.unwrap();
    until("the lane is gone", async || {
        webhooks.drain().await;
        let lanes = database.query("select count(*) from hooks.lane").unwrap();
        lanes.trim() == "0"
    })
    .await;
    tx.commit().await.unwrap();
    receiver.wait_for(1).await;
    assert_eq!(receiver.event_ids(), ["late"]);
}

#[tokio::test]
async fn what_is_rolled_back_to_a_savepoint_is_not_sent() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    let mut app = app(&database).await;
    let mut tx = app.begin().await.unwrap();
    let first = Event::new("order", &1).id("first");
    let sent = webhooks.send_in(&mut tx, "acme", first).await.unwrap();
    let mut inner = tx.begin().await.unwrap();
    let second = Event::new("order", &2).id("second");
    let taken_back = webhooks.send_in(&mut inner, "acme", second).await.unwrap();
    inner.rollback().await.unwrap();
    tx.commit().await.unwrap();
    taken_back.deliver_now();
    sent.deliver_now();
    receiver.wait_for(1).await;
    until("nothing is owed", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(receiver.event_ids(), ["first"]);
}

#[tokio::test]
async fn an_id_is_the_same_event_in_a_transaction_too() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let mut app = app(&database).await;
    let event = |data: i32| Event::new("order", &data).id("order-1");
    let mut tx = app.begin().await.unwrap();
    let sent = webhooks.send_in(&mut tx, "acme", event(1)).await.unwrap();
    assert!(!sent.receipt.duplicate);
    let again = webhooks.send_in(&mut tx, "acme", event(1)).await.unwrap();
    assert!(again.receipt.duplicate);
    tx.commit().await.unwrap();
    assert!(webhooks.send("acme", event(1)).await.unwrap().duplicate);
    let mut tx = app.begin().await.unwrap();
    let refused = webhooks.send_in(&mut tx, "acme", event(2)).await;
    assert!(matches!(refused, Err(SendError::Conflict(id)) if id == "order-1"));
    tx.rollback().await.unwrap();
}

/// A map is written in another order each time; that must not undo what the caller did.
#[tokio::test]
async fn an_event_in_another_order_of_its_keys_is_a_duplicate_and_the_callers_rows_stay() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let mut app = app(&database).await;
    app.execute("create table app_order (id int)")
        .await
        .unwrap();
    for (data, is_again) in [
        (r#"{"a":1,"b":2.0}"#, false),
        (r#"{"b":2,"a":1}"#, true),
        (r#"{"b":2,"a":1e0}"#, true),
    ] {
        let data = serde_json::value::RawValue::from_string(data.to_owned()).unwrap();
        let event = Event::new("order", &data).id("order-1");
        let mut tx = app.begin().await.unwrap();
        tx.execute("insert into app_order values (1)")
            .await
            .unwrap();
        let sent = webhooks.send_in(&mut tx, "acme", event).await.unwrap();
        assert_eq!(sent.receipt.duplicate, is_again);
        tx.commit().await.unwrap();
    }
    let orders: i64 = sqlx::query_scalar("select count(*) from app_order")
        .fetch_one(&mut app)
        .await
        .unwrap();
    assert_eq!(orders, 3);
}

#[tokio::test]
async fn a_transaction_that_reads_from_a_snapshot_sends_to_the_endpoints_of_that() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    let mut app = app(&database).await;
    for (begin, deliveries) in [
        ("begin isolation level repeatable read", 1),
        ("begin isolation level serializable", 2),
        ("begin", 4),
    ] {
        let mut tx = app.begin_with(begin).await.unwrap();
        tx.execute("select 1").await.unwrap();
        endpoints.add(receiver.url()).await.unwrap();
        let event = Event::new("order", &1).id(format!("to-{deliveries}"));
        let sent = webhooks.send_in(&mut tx, "acme", event).await.unwrap();
        assert_eq!(sent.receipt.deliveries, deliveries, "{begin}");
        tx.commit().await.unwrap();
        sent.deliver_now();
    }
    receiver.wait_for(7).await;
    until("nothing is owed", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(receiver.requests().len(), 7);
}

#[tokio::test]
async fn a_row_of_the_outbox_table_that_is_committed_late_is_taken_all_the_same() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    let insert = |id: &str| {
        sqlx::AssertSqlSafe(format!(
            "insert into hooks.outbox (customer, type, data, event_id) values ('acme', 'order', '{{\"n\": 1}}', '{id}')"
        ))
    };
    let (mut early, mut late) = (app(&database).await, app(&database).await);
    let mut slow = late.begin().await.unwrap();
    slow.execute(insert("slow")).await.unwrap();
    early.execute(insert("quick")).await.unwrap();
    receiver.wait_for(1).await;
    assert_eq!(receiver.event_ids(), ["quick"]);
    slow.commit().await.unwrap();
    receiver.wait_for(2).await;
    early
        .execute("insert into hooks.outbox (customer, type, data) values ('', 'order', '1')")
        .await
        .unwrap();
    until("a row is refused", async || {
        !webhooks.refused_in_outbox(0).await.unwrap().is_empty()
    })
    .await;
    let refused = webhooks.refused_in_outbox(0).await.unwrap();
    assert!(refused[0].reason.contains("customer"), "{refused:?}");
}
