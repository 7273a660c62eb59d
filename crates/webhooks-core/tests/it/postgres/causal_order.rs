//! What an ordered endpoint gets first of an event that an app's own transaction stored and of one that
//! was sent once that was committed: the one that was committed first, whoever has the endpoint's lane.

use std::time::Duration;

use scratch_postgres::Database;
use sqlx::{Connection, PgConnection};
use webhooks_core::{EndpointChange, EndpointId, Event, NewEndpoint, Webhooks, testing::Receiver};

use super::{open, until};

/// Who call, each with events of its own.
const CALLERS: usize = 4;
/// Pairs of an event in a transaction and one that is sent after it.
const PAIRS: usize = 15;
/// Longer than a node may go unheard of.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(12);
/// Nobody may be held up by somebody's open transaction for as long.
const SEND_MAX: Duration = Duration::from_secs(5);

async fn app(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

async fn add_ordered(webhooks: &Webhooks, receiver: &Receiver) -> EndpointId {
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    let added = webhooks.endpoints("acme").add(endpoint).await;
    added.unwrap().id
}

async fn send(webhooks: &Webhooks, id: &str) {
    let sent = tokio::time::timeout(SEND_MAX, webhooks.send("acme", event(id))).await;
    assert_eq!(sent.expect("nobody is held up").unwrap().deliveries, 1);
}

/// Stores events in a transaction of its own, and says that they are there where `tells` is so.
async fn send_in(webhooks: &Webhooks, app: &mut PgConnection, (id, tells): (&str, bool)) {
    let mut tx = app.begin().await.unwrap();
    let sent = webhooks.send_in(&mut tx, "acme", event(id)).await.unwrap();
    tx.commit().await.unwrap();
    if tells {
        sent.deliver_now();
    }
}

/// Nothing is pending, and nothing is left of what says that something was.
async fn all_is_done(webhooks: &Webhooks, database: &Database) {
    until("nothing is pending", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    until("nothing waits to be found", async || {
        database
            .query("select count(*) from hooks.arrival")
            .unwrap()
            == "0"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_stored_arrives_before_what_is_sent_after_its_commit() {
    let database = Database::create().unwrap();
    let nodes = [open(&database).await, open(&database).await];
    let receiver = Receiver::start().await.unwrap();
    // The first has its lane.
    add_ordered(&nodes[0], &receiver).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let [stores, sends] = [caller % 2, caller / 2].map(|at| nodes[at].clone());
        let mut app = app(&database).await;
        callers.spawn(async move {
            for pair in 0..PAIRS {
                let id = format!("{caller}-{}", 2 * pair);
                send_in(&stores, &mut app, (&id, pair % 2 == 0)).await;
                send(&sends, &format!("{caller}-{}", 2 * pair + 1)).await;
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    let arrived = receiver.wait_for(CALLERS * PAIRS * 2).await;
    assert_eq!(arrived.len(), CALLERS * PAIRS * 2);
    for caller in 0..CALLERS {
        let mine = format!("{caller}-");
        let arrived = receiver.event_ids();
        let arrived: Vec<&String> = arrived.iter().filter(|id| id.starts_with(&mine)).collect();
        let wanted: Vec<String> = (0..2 * PAIRS).map(|n| format!("{mine}{n}")).collect();
        assert_eq!(arrived, wanted.iter().collect::<Vec<_>>());
    }
    all_is_done(&nodes[0], &database).await;
}

#[tokio::test]
async fn a_transaction_that_is_open_for_longer_than_a_lease_holds_nobody_up_and_keeps_its_order() {
    let database = Database::create().unwrap();
    let (owner, other) = (open(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    add_ordered(&owner, &receiver).await;
    let mut app = app(&database).await;
    let mut tx = app.begin().await.unwrap();
    let sent = owner.send_in(&mut tx, "acme", event("late")).await.unwrap();
    let mut inner = tx.begin().await.unwrap();
    let taken_back = event("taken-back");
    let taken_back = owner.send_in(&mut inner, "acme", taken_back).await.unwrap();
    inner.rollback().await.unwrap();
    let began = tokio::time::Instant::now();
    let mut meanwhile = Vec::new();
    while began.elapsed() < LONGER_THAN_A_LEASE {
        let node = if meanwhile.len() % 2 == 0 {
            &owner
        } else {
            &other
        };
        let id = format!("meanwhile{}", meanwhile.len());
        send(node, &id).await;
        meanwhile.push(id);
        receiver.wait_for(meanwhile.len()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // The node that stored it may be gone by then, and so may whoever had the lane.
    owner.shutdown(Duration::from_secs(5)).await;
    tx.commit().await.unwrap();
    send(&other, "after").await;
    receiver.wait_for(meanwhile.len() + 2).await;
    taken_back.deliver_now();
    sent.deliver_now();
    all_is_done(&other, &database).await;
    let wanted: Vec<String> = meanwhile
        .into_iter()
        .chain(["late".to_owned(), "after".to_owned()])
        .collect();
    assert_eq!(receiver.event_ids(), wanted);
}

/// What becomes of an endpoint between the moment in which an event was stored for it and the commit.
#[tokio::test]
async fn whatever_becomes_of_an_endpoint_before_a_commit_nothing_is_left_that_nobody_finds() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    let limited = || NewEndpoint::new(receiver.url()).in_flight(2);
    let endpoints = one.endpoints("acme");
    let mut ids = Vec::new();
    for endpoint in [
        limited().ordered(true),
        limited(),
        NewEndpoint::new(receiver.url()),
        limited().ordered(true),
        limited().ordered(true),
        limited().ordered(true),
        limited().ordered(true),
    ] {
        ids.push(endpoints.add(endpoint).await.unwrap().id);
    }
    let mut app = app(&database).await;
    let mut tx = app.begin().await.unwrap();
    let late = one.send_in(&mut tx, "acme", event("late")).await.unwrap();
    assert_eq!(late.receipt.deliveries, ids.len());
    let changes = other.endpoints("acme");
    let unlimited = EndpointChange::new().in_flight(None);
    changes.edit(&ids[1], unlimited).await.unwrap();
    let limit = EndpointChange::new().in_flight(2);
    changes.edit(&ids[2], limit).await.unwrap();
    changes.pause(&ids[3]).await.unwrap();
    changes.disable(&ids[4], "for good").await.unwrap();
    changes.disable(&ids[5], "for a while").await.unwrap();
    changes.remove(&ids[6]).await.unwrap();
    // What those that are disabled have no more is taken away: their lanes.
    until("the lanes of three are gone", async || {
        one.drain().await;
        database
            .query("select count(*) from hooks.lane where owned")
            .unwrap()
            == "3"
    })
    .await;
    changes.enable(&ids[5]).await.unwrap();
    tx.commit().await.unwrap();
    receiver.wait_for(4).await;
    changes.resume(&ids[3]).await.unwrap();
    receiver.wait_for(5).await;
    all_is_done(&one, &database).await;
    assert_eq!(receiver.event_ids(), ["late"; 5]);
    let reasons = "select reason from hooks.ending order by 1";
    assert_eq!(database.query(reasons).unwrap(), "disabled\nremoved");
}
