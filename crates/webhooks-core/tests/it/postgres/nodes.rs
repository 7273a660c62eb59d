//! Several engines on one database.

use std::{cell::Cell, time::Duration};

use scratch_postgres::Database;
use webhooks_core::{DeliveryState, Event, HoldReason, NewEndpoint, Webhooks, testing::Receiver};

use super::{address, open, open_with, scissors::Scissors, until};
use crate::world::gate::Gate;

async fn send(webhooks: &Webhooks, id: &str) -> usize {
    let event = Event::new("a", &1).id(id);
    webhooks.send("acme", event).await.unwrap().deliveries
}

#[tokio::test]
async fn engines_that_open_an_empty_database_at_once_make_its_tables_once() {
    let database = Database::create().unwrap();
    let opened = futures_util::future::join_all((0..4).map(|_| open(&database))).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = opened[0].endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    for (n, webhooks) in opened.iter().enumerate() {
        assert_eq!(send(webhooks, &format!("e{n}")).await, 1);
    }
    receiver.wait_for(opened.len()).await;
}

#[tokio::test]
async fn an_endpoint_is_owed_what_another_node_is_sent_right_after_it_was_added() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    // The customer is known to the other node as one without endpoints.
    assert_eq!(send(&other, "before").await, 0);
    for n in 1..=5 {
        let endpoints = one.endpoints("acme");
        endpoints.add(receiver.url()).await.unwrap();
        assert_eq!(send(&other, &format!("e{n}")).await, n);
    }
    receiver.wait_for(15).await;
}

#[tokio::test]
async fn what_one_node_pauses_another_holds_and_what_it_resumes_another_sends() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    let added = one.endpoints("acme").add(receiver.url()).await.unwrap();
    assert_eq!(send(&other, "first").await, 1);
    receiver.wait_for(1).await;
    one.endpoints("acme").pause(&added.id).await.unwrap();
    assert_eq!(send(&other, "held").await, 1);
    let held = other.deliveries("acme", "held").await.unwrap();
    assert!(
        matches!(
            held[0].state,
            DeliveryState::Held {
                reason: HoldReason::Paused,
                ..
            }
        ),
        "{held:?}"
    );
    assert_eq!(receiver.event_ids(), ["first"]);
    // The one that did not take the event is told; whichever has it sends it.
    one.endpoints("acme").resume(&added.id).await.unwrap();
    receiver.wait_for(2).await;
    assert_eq!(receiver.event_ids(), ["first", "held"]);
}

#[tokio::test]
async fn a_secret_that_one_node_rotates_signs_what_another_sends() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    let added = one.endpoints("acme").add(receiver.url()).await.unwrap();
    send(&other, "before").await;
    receiver.wait_for(1).await;
    let secret = one
        .endpoints("acme")
        .rotate_secret(&added.id, None, Duration::ZERO)
        .await
        .unwrap();
    send(&other, "after").await;
    receiver.wait_for(2).await;
    let request = receiver.requests().pop().unwrap();
    let verifier = standardwebhooks::Webhook::new(&secret.expose()).unwrap();
    verifier.verify(&request.body, &request.headers).unwrap();
}

#[tokio::test]
async fn an_ordered_endpoint_gets_its_events_in_order_whichever_node_is_sent_them() {
    let database = Database::create().unwrap();
    let nodes = [
        open(&database).await,
        open(&database).await,
        open(&database).await,
    ];
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    nodes[0].endpoints("acme").add(endpoint).await.unwrap();
    let ids: Vec<String> = (0..60).map(|n| format!("e{n}")).collect();
    // The head of some fails once.
    receiver.respond_to("e7", [500, 200]);
    for (n, id) in ids.iter().enumerate() {
        send(&nodes[n % nodes.len()], id).await;
    }
    receiver.wait_for(ids.len() + 1).await;
    let mut arrived = receiver.event_ids();
    arrived.dedup();
    assert_eq!(arrived, ids);
}

#[tokio::test]
async fn requests_in_flight_of_an_endpoint_with_a_limit_are_no_more_over_all_nodes() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let (gate, url) = Gate::start().await;
    let endpoint = NewEndpoint::new(url).in_flight(3);
    one.endpoints("acme").add(endpoint).await.unwrap();
    for n in 0..20 {
        let node = if n % 2 == 0 { &one } else { &other };
        send(node, &format!("e{n}")).await;
    }
    gate.wait_for(3).await;
    // Whatever would start another has had its time.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gate.arrived().len(), 3);
    for n in 0..20 {
        gate.open(&format!("e{n}"), 200);
    }
    gate.wait_for(20).await;
    until("nothing is owed", async || {
        one.pending().await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn what_a_node_had_goes_on_when_it_ends() {
    let database = Database::create().unwrap();
    let one = open(&database).await;
    let (gate, url) = Gate::start().await;
    let ordered = NewEndpoint::new(url.as_str()).ordered(true);
    one.endpoints("acme").add(url).await.unwrap();
    one.endpoints("acme").add(ordered).await.unwrap();
    for n in 0..5 {
        assert_eq!(send(&one, &format!("e{n}")).await, 2);
    }
    gate.wait_for(6).await;
    // Only now: once the first hears of it, it has half as many in flight.
    let other = open(&database).await;
    // Five of the first are in flight and the head of the ordered one: they are cut off.
    let report = one.shutdown(Duration::ZERO).await;
    assert_eq!(report.cut_off, 6, "{report:?}");
    for n in 0..5 {
        gate.open(&format!("e{n}"), 200);
    }
    until("nothing is owed", async || {
        other.pending().await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn what_each_node_has_in_hand_can_be_read_from_any() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let (gate, url) = Gate::start().await;
    one.endpoints("acme").add(url.as_str()).await.unwrap();
    let ordered = NewEndpoint::new(url).ordered(true);
    one.endpoints("acme").add(ordered).await.unwrap();
    send(&one, "e").await;
    gate.wait_for(2).await;
    let nodes = other.nodes().await.unwrap();
    assert_eq!(nodes.len(), 2, "{nodes:?}");
    let (sender, reader) = (&nodes[0], &nodes[1]);
    assert!(!sender.is_this && reader.is_this, "{nodes:?}");
    assert_eq!((sender.held, sender.lanes), (2, 1), "{nodes:?}");
    assert!(sender.held_since.is_some(), "{nodes:?}");
    assert_eq!((reader.held, reader.lanes), (0, 0), "{nodes:?}");
    gate.open("e", 200);
    one.shutdown(Duration::from_secs(10)).await;
    let nodes = other.nodes().await.unwrap();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
}

#[tokio::test]
async fn two_nodes_share_the_requests_in_flight_that_an_endpoint_has_unless_set() {
    let database = Database::create().unwrap();
    let one = open(&database).await;
    let (gate, url) = Gate::start().await;
    one.endpoints("acme").add(url).await.unwrap();
    let other = open(&database).await;
    // The first hears of the second with its next beat.
    let heard = async || one.nodes().await.unwrap().len() == 2;
    until("both live", heard).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for n in 0..20 {
        send(&one, &format!("one{n}")).await;
        send(&other, &format!("other{n}")).await;
    }
    gate.wait_for(8).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gate.arrived().len(), 8, "{:?}", gate.arrived());
    for n in 0..20 {
        gate.open(&format!("one{n}"), 200);
        gate.open(&format!("other{n}"), 200);
    }
    gate.wait_for(40).await;
}

/// What one node alone has in flight to an endpoint without a limit.
const WHOLE_SHARE: usize = 8;
/// Of a node that dies: real time.
const LEASE: Duration = Duration::from_secs(2);

/// How many nodes are taken for alive.
fn alive(database: &Database) -> usize {
    let alive = database.query("select count(*) from hooks.node where alive");
    alive.unwrap().trim().parse().unwrap()
}

/// One of two nodes goes, and the other has all requests in flight again.
async fn the_share_grows_back(database: &Database, stays: &Webhooks, goes: impl AsyncFnOnce()) {
    let (gate, url) = Gate::start().await;
    stays.endpoints("acme").add(url).await.unwrap();
    assert_eq!(alive(database), 2);
    // It hears of the other with its next beat.
    tokio::time::sleep(LEASE / 2).await;
    let events: Vec<String> = (0..200).map(|n| format!("e{n}")).collect();
    for id in &events {
        send(stays, id).await;
    }
    gate.wait_for(WHOLE_SHARE / 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gate.arrived().len(), WHOLE_SHARE / 2, "half is the other's");
    goes().await;
    until("one node is left", async || alive(database) == 1).await;
    // Each answer is followed by as many requests as there may be by then.
    let answered = Cell::new(0);
    until("the whole share is in flight", async || {
        let in_flight = gate.arrived().len() - answered.get();
        assert!(in_flight <= WHOLE_SHARE, "{in_flight}");
        if in_flight < WHOLE_SHARE {
            gate.open(&gate.arrived()[answered.get()], 200);
            answered.set(answered.get() + 1);
        }
        in_flight == WHOLE_SHARE
    })
    .await;
    for id in &events {
        gate.open(id, 200);
    }
    gate.wait_for(events.len()).await;
}

#[tokio::test]
async fn the_share_of_requests_in_flight_grows_back_when_a_node_ends() {
    let database = Database::create().unwrap();
    let open = async || open_with(&database, |builder| builder.lease(LEASE)).await;
    let (stays, ends) = (open().await, open().await);
    let end = async || {
        let _ = ends.shutdown(Duration::ZERO).await;
    };
    the_share_grows_back(&database, &stays, end).await;
}

#[tokio::test]
async fn the_share_of_requests_in_flight_grows_back_when_a_node_dies() {
    let database = Database::create().unwrap();
    let stays = open_with(&database, |builder| builder.lease(LEASE)).await;
    let mut url = url::Url::parse(&address(&database)).unwrap();
    let scissors = Scissors::before(url.port().unwrap()).await;
    url.set_port(Some(scissors.port())).unwrap();
    url.query_pairs_mut().append_pair("sslmode", "disable");
    let builder = Webhooks::builder().lease(LEASE);
    let _dies = builder.open(url.as_str()).await.unwrap();
    the_share_grows_back(&database, &stays, async || scissors.close()).await;
}
