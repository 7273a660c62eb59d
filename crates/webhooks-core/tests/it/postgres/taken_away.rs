//! What is canceled, skipped or removed at one node while another has it in memory.

use std::{sync::Arc, time::Duration};

use scratch_postgres::Database;
use webhooks_core::{
    DeliveryState, EndReason, EndpointId, Event, NewEndpoint, RetrySchedule, Webhooks,
};

use super::{open_with, until};
use crate::world::gate::Gate;

/// More than are in flight at once.
const EVENTS: usize = 30;
/// Each node has heard of every change of an endpoint.
const ALL_HEARD: &str = "
    select bool_and(seen_version >= (select version from hooks.change)) from hooks.node where alive";
const ATTEMPTS: &str = "select count(*) from hooks.attempt";
/// Nodes that have deliveries in memory.
const HOLDERS: &str = "select string_agg(distinct (claim >> 40)::text, ',') from hooks.delivery";

struct Pair {
    database: Database,
    /// Has the events in memory.
    holder: Webhooks,
    other: Webhooks,
    endpoint: EndpointId,
    gate: Arc<Gate>,
}

impl Pair {
    async fn start(retry: RetrySchedule, change: impl FnOnce(NewEndpoint) -> NewEndpoint) -> Self {
        let database = Database::create().unwrap();
        let open = async || open_with(&database, |builder| builder.retry(retry.clone())).await;
        let (holder, other) = (open().await, open().await);
        let (gate, url) = Gate::start().await;
        let endpoints = holder.endpoints("acme");
        let added = endpoints.add(change(NewEndpoint::new(url))).await;
        let endpoint = added.unwrap().id;
        Self {
            database,
            holder,
            other,
            endpoint,
            gate,
        }
    }

    /// Nothing fails that would be tried again within the test.
    async fn patient(change: impl FnOnce(NewEndpoint) -> NewEndpoint) -> Self {
        let hours = RetrySchedule::new([Duration::from_secs(3_600); 3]).unwrap();
        Self::start(hours, change).await
    }

    async fn send(&self, events: usize) {
        for n in 0..events {
            let event = Event::new("a", &n).id(id(n));
            self.holder.send("acme", event).await.unwrap();
        }
    }

    fn open_gate(&self, status: u16) {
        for n in 0..EVENTS {
            self.gate.open(&id(n), status);
        }
    }

    /// Waits until the holder has all of them in memory, and some in flight.
    async fn hold_all(&self) {
        let nodes = self.holder.nodes().await.unwrap();
        let holder = nodes.iter().find(|node| node.is_this).unwrap();
        until("the holder has all in memory", async || {
            self.database.query(HOLDERS).unwrap().trim() == holder.id.to_string()
        })
        .await;
        self.gate.wait_for(1).await;
    }

    async fn all_heard(&self) {
        until("every node has heard", async || {
            self.database.query(ALL_HEARD).unwrap().trim() == "t"
        })
        .await;
    }

    async fn nothing_is_pending(&self) {
        until("nothing is pending", async || {
            self.other.pending().await.unwrap() == 0
        })
        .await;
    }

    fn attempts(&self) -> usize {
        let attempts = self.database.query(ATTEMPTS).unwrap();
        attempts.trim().parse().unwrap()
    }

    async fn ended(&self, event: &str) -> Option<EndReason> {
        let deliveries = self.other.deliveries("acme", event).await.unwrap();
        match deliveries[0].state {
            DeliveryState::Ended { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

fn id(number: usize) -> String {
    format!("e{number}")
}

#[tokio::test]
async fn what_another_node_has_in_memory_is_not_sent_once_that_hears_that_it_was_canceled() {
    let pair = Pair::patient(|endpoint| endpoint).await;
    pair.send(EVENTS).await;
    pair.hold_all().await;
    let last = id(EVENTS - 1);
    let endpoints = pair.other.endpoints("acme");
    assert!(
        endpoints.cancel(&pair.endpoint, &last).await.unwrap(),
        "the other may be about to send it"
    );
    assert_eq!(pair.ended(&last).await, Some(EndReason::Canceled));
    pair.all_heard().await;
    pair.open_gate(200);
    pair.nothing_is_pending().await;
    let arrived = pair.gate.arrived();
    assert_eq!(arrived.len(), EVENTS - 1, "{arrived:?}");
    assert!(!arrived.contains(&last), "{arrived:?}");
}

#[tokio::test]
async fn a_head_that_another_node_waits_with_is_skipped_and_what_is_behind_it_goes_on() {
    let pair = Pair::patient(|endpoint| endpoint.ordered(true)).await;
    pair.open_gate(200);
    pair.gate.open(&id(0), 500);
    pair.send(3).await;
    let blocked = "select count(*) from hooks.lane where failures > 0 and due_at is not null";
    until("the head waits for its retry", async || {
        pair.database.query(blocked).unwrap().trim() == "1"
    })
    .await;
    let endpoints = pair.other.endpoints("acme");
    let skipped = endpoints.skip(&pair.endpoint).await.unwrap();
    assert_eq!(skipped, Some(id(0)));
    pair.nothing_is_pending().await;
    assert_eq!(pair.gate.arrived(), [id(0), id(1), id(2)]);
    assert_eq!(pair.ended(&id(0)).await, Some(EndReason::Skipped));
}

#[tokio::test]
async fn a_head_that_another_node_has_in_flight_is_the_one_that_is_skipped() {
    let soon = RetrySchedule::new([Duration::from_millis(20); 5]).unwrap();
    let pair = Pair::start(soon, |endpoint| endpoint.ordered(true)).await;
    pair.send(3).await;
    pair.gate.wait_for(1).await;
    let endpoints = pair.other.endpoints("acme");
    let skipped = endpoints.skip(&pair.endpoint).await.unwrap();
    assert_eq!(
        skipped, None,
        "it is sent for the first time, and blocks nothing"
    );
    pair.gate.open(&id(0), 500);
    until("it failed", async || pair.attempts() > 0).await;
    pair.gate.close(&id(0));
    until("it is in flight once more", async || {
        pair.attempts() < pair.gate.arrived().len()
    })
    .await;
    let skipped = endpoints.skip(&pair.endpoint).await.unwrap();
    assert_eq!(skipped, Some(id(0)));
    for (n, status) in [(0, 500), (1, 200), (2, 200)] {
        pair.gate.open(&id(n), status);
    }
    pair.nothing_is_pending().await;
    let mut arrived = pair.gate.arrived();
    arrived.dedup();
    assert_eq!(arrived, [id(0), id(1), id(2)]);
    assert_eq!(pair.ended(&id(0)).await, Some(EndReason::Skipped));
}

#[tokio::test]
async fn what_another_node_has_in_memory_is_not_sent_once_that_hears_that_its_endpoint_was_removed()
{
    let pair = Pair::patient(|endpoint| endpoint).await;
    pair.send(EVENTS).await;
    pair.hold_all().await;
    let endpoints = pair.other.endpoints("acme");
    endpoints.remove(&pair.endpoint).await.unwrap();
    pair.all_heard().await;
    let in_flight = pair.gate.arrived().len();
    assert!(in_flight < EVENTS, "nothing was left in memory");
    pair.open_gate(200);
    until("what was in flight has ended", async || {
        pair.attempts() == in_flight
    })
    .await;
    // Whatever would start another has had its time.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(pair.gate.arrived().len(), in_flight);
}
