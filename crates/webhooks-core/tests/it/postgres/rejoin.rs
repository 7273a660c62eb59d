//! A node that was taken for dead, and is another one before its writer knows of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use scratch_postgres::{Cluster, Settings};
use tokio::net::TcpListener;
use webhooks_core::{Event, Webhooks};

use super::{line::Line, until};
use crate::world::gate::Gate;

const LEASE: Duration = Duration::from_secs(3);
/// For how long the writer waits for a connection that is silent: longer than the node needs to be taken
/// for dead, and to join anew.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const EVENTS: usize = 300;
/// Nodes that live.
const ALIVE: &str = "select count(*) from hooks.node where alive";

async fn open(address: &str) -> Webhooks {
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let builder = builder.lease(LEASE).answer_limit(ANSWER_LIMIT);
    builder.open(address).await.unwrap()
}

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_had_in_memory_it_does_not_send_as_the_next_one() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let line = Line::to(cluster.port()).await;
    let (gate, url) = Gate::start().await;
    let silent = open(&line.address()).await;
    silent.endpoints("acme").add(url).await.unwrap();
    let ids: Vec<String> = (0..EVENTS).map(|n| format!("e{n}")).collect();
    let events = ids.iter().map(|id| event(id));
    silent.send_all("acme", events).await.unwrap();
    let other = open(&format!("{}?schema=hooks", cluster.url())).await;
    gate.wait_for(1).await;
    tokio::time::sleep(LEASE / 2).await;
    let in_flight: BTreeSet<String> = gate.arrived().into_iter().collect();
    line.silence();
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    line.leads_to(closed.local_addr().unwrap().port());
    drop(closed);
    let sending = silent.clone();
    let sent = tokio::spawn(async move { sending.send("acme", event("silent")).await });
    let alive = |count: &str| cluster.query(ALIVE).unwrap() == count;
    until("it is taken for dead", async || alive("1")).await;
    line.leads_to(cluster.port());
    until("it lives as another", async || alive("2")).await;
    assert!(!sent.is_finished(), "its writer knew by then");
    for id in ids.iter().map(String::as_str).chain(["silent", "after"]) {
        gate.open(id, 200);
    }
    // Its writer goes on: what it has in memory goes back.
    let refused = sent.await.unwrap();
    assert!(refused.is_err(), "{refused:?}");
    let after = silent.send("acme", event("after")).await.unwrap();
    assert_eq!(after.deliveries, 1);
    until("nothing is owed", async || {
        other.pending().await.unwrap() == 0
    })
    .await;
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for id in gate.arrived() {
        *arrived.entry(id).or_default() += 1;
    }
    assert_eq!(arrived.len(), EVENTS + 1);
    let twice = arrived.iter().filter(|(_, times)| **times > 1);
    let twice: BTreeSet<String> = twice.map(|(id, _)| id.clone()).collect();
    // What was under way when it fell silent is sent again by the other.
    assert!(
        twice.is_subset(&in_flight),
        "{} arrived twice, {} were in flight",
        twice.len(),
        in_flight.len()
    );
}
