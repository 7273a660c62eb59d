//! The lane of an endpoint whose order holds over all nodes: owned from its start, and for as long as
//! the endpoint is there.

use scratch_postgres::Database;
use sqlx::{Connection, Executor, PgConnection};
use webhooks_core::{EndpointState, Event, NewEndpoint, testing::Receiver};

use super::{open, until};

#[tokio::test]
async fn an_ordered_endpoint_that_was_disabled_for_a_while_has_a_lane_that_one_node_owns() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let endpoints = webhooks.endpoints("acme");
    let endpoint = NewEndpoint::new("http://127.0.0.1:1/").ordered(true);
    let id = endpoints.add(endpoint).await.unwrap().id;
    let lanes = || database.query("select owned from hooks.lane").unwrap();
    assert_eq!(lanes().trim(), "t");
    endpoints.disable(&id, "for a while").await.unwrap();
    until("what it was owed is ended", async || {
        webhooks.drain().await;
        lanes().trim().is_empty()
    })
    .await;
    endpoints.enable(&id).await.unwrap();
    let state = endpoints.get(&id).await.unwrap().state;
    assert_eq!(state, EndpointState::Active);
    assert_eq!(lanes().trim(), "t");
}

/// Beside many who send it is locked most of the time, each time by somebody else.
#[tokio::test]
async fn an_owner_delivers_what_is_stored_while_others_have_its_lane_locked() {
    let database = Database::create().unwrap();
    let owner = open(&database).await;
    let other = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    owner.endpoints("acme").add(endpoint).await.unwrap();
    let hold = owner.hold_writer().await.unwrap();
    for n in 0..3 {
        other.send("acme", Event::new("a", &n)).await.unwrap();
    }
    let mut locker = PgConnection::connect(database.url()).await.unwrap();
    let lock = "begin; select 1 from hooks.lane for update";
    locker.execute(lock).await.unwrap();
    drop(hold);
    until("all arrive", async || receiver.requests().len() == 3).await;
    locker.execute("commit").await.unwrap();
    until("nothing is owed", async || {
        owner.pending().await.unwrap() == 0
    })
    .await;
    let sent: Vec<_> = receiver
        .requests()
        .iter()
        .map(|request| request.json()["data"].clone())
        .collect();
    assert_eq!(sent, [0, 1, 2]);
    // Nothing says any more that the lane is due.
    until("the lane is at rest", async || {
        let due = database
            .query("select due_at is null from hooks.lane")
            .unwrap();
        due.trim() == "t"
    })
    .await;
}
