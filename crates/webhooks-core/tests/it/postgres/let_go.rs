//! A node that ends in order: what it does not send itself any more goes on elsewhere at once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use scratch_postgres::Database;
use sqlx::{Connection, PgConnection};
use webhooks_core::{EndpointChange, EndpointId, Event, NewEndpoint, Webhooks};

use super::{open, open_with, until};
use crate::world::gate::Gate;

/// Longer than a test lasts.
const GRACE: Duration = Duration::from_secs(60);

async fn send(webhooks: &Webhooks, customer: &str, ids: impl Iterator<Item = usize>) {
    let events = ids.map(|n| Event::new("a", &n).id(format!("{customer}{n}")));
    webhooks.send_all(customer, events).await.unwrap();
}

#[tokio::test]
async fn what_waits_for_others_requests_to_end_does_not_wait_for_a_node_that_ends() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let (slow, slow_url) = Gate::start().await;
    let (ordered, ordered_url) = Gate::start().await;
    let (wide, wide_url) = Gate::start().await;
    one.endpoints("slow").add(slow_url).await.unwrap();
    let endpoint = NewEndpoint::new(ordered_url).ordered(true);
    one.endpoints("ordered").add(endpoint).await.unwrap();
    one.endpoints("wide").add(wide_url).await.unwrap();
    send(&one, "slow", 0..1).await;
    send(&one, "ordered", 0..5).await;
    send(&one, "wide", 0..20).await;
    slow.wait_for(1).await;
    ordered.wait_for(1).await;
    wide.wait_for(4).await;
    let began = wide.arrived().len();
    let ending = one.clone();
    let ended = tokio::spawn(async move { ending.shutdown(GRACE).await });
    // What the other node may send of these goes out, also while the first has its share in flight.
    wide.wait_for(began + 4).await;
    // The head of the lane is in flight: nothing behind it goes out.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(ordered.arrived(), ["ordered0"]);
    for n in 0..5 {
        ordered.open(&format!("ordered{n}"), 200);
    }
    for n in 0..20 {
        wide.open(&format!("wide{n}"), 200);
    }
    ordered.wait_for(5).await;
    wide.wait_for(20).await;
    assert!(!ended.is_finished(), "a request is in flight there");
    let ids: Vec<String> = (0..5).map(|n| format!("ordered{n}")).collect();
    assert_eq!(ordered.arrived(), ids);
    slow.open("slow0", 200);
    let report = ended.await.unwrap();
    assert_eq!(report.cut_off, 0, "{report:?}");
    until("nothing is owed", async || {
        other.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(slow.arrived(), ["slow0"]);
    assert_eq!(wide.arrived().len(), 20, "each came once");
}

/// Events that wait in the memory of a node that has left their lane, behind those that are in flight.
struct LeftLane {
    database: Database,
    one: Webhooks,
    other: Webhooks,
    gate: Arc<Gate>,
    id: EndpointId,
}

const EVENTS: usize = 30;
/// Those that are answered at once: with so many an endpoint that was paused has its full width again.
const ANSWERED: usize = 10;

impl LeftLane {
    async fn start() -> Self {
        let database = Database::create().unwrap();
        let (one, other) = (open(&database).await, open(&database).await);
        let (gate, url) = Gate::start().await;
        let id = one.endpoints("acme").add(url).await.unwrap().id;
        // While it is paused they go to its lane.
        one.endpoints("acme").pause(&id).await.unwrap();
        send(&one, "acme", 0..EVENTS).await;
        let left = Self {
            database,
            one,
            other,
            gate,
            id,
        };
        left.answer(0..ANSWERED);
        left.one.endpoints("acme").resume(&left.id).await.unwrap();
        left.gate.wait_for(ANSWERED + 1).await;
        until("the lane is left", async || {
            let lanes = left.database.query("select count(*) from hooks.lane");
            lanes.unwrap().trim() == "0"
        })
        .await;
        left
    }

    fn answer(&self, numbers: std::ops::Range<usize>) {
        for n in numbers {
            self.gate.open(&format!("acme{n}"), 200);
        }
    }

    async fn until_nothing_is_owed(&self) {
        until("nothing is owed", async || {
            self.other.pending().await.unwrap() == 0
        })
        .await;
    }
}

/// A node has rows of a lane in memory, another has come to own that lane, and the first ends.
async fn end_beside_a_later_owner(grace: Duration) {
    let left = LeftLane::start().await;
    let limited = EndpointChange::new().in_flight(2);
    let endpoints = left.other.endpoints("acme");
    endpoints.edit(&left.id, limited).await.unwrap();
    let one = left.one.clone();
    let ended = tokio::spawn(async move { one.shutdown(grace).await });
    // Those in flight end at once, and where the grace was too short are made again.
    left.answer(0..EVENTS);
    ended.await.unwrap();
    left.until_nothing_is_owed().await;
    let arrived: BTreeSet<String> = left.gate.arrived().into_iter().collect();
    assert_eq!(arrived.len(), EVENTS, "{arrived:?}");
}

#[tokio::test]
async fn rows_that_a_node_lets_go_of_are_found_by_who_owns_their_lane_by_then() {
    end_beside_a_later_owner(GRACE).await;
}

#[tokio::test]
async fn rows_that_an_ended_node_had_are_found_by_who_owns_their_lane_by_then() {
    end_beside_a_later_owner(Duration::ZERO).await;
}

#[tokio::test]
async fn an_endpoint_of_which_memory_knows_nothing_does_not_wait_for_its_owner_to_end() {
    let database = Database::create().unwrap();
    let one = open_with(&database, |builder| builder.endpoints_in_memory(1)).await;
    let (slow, slow_url) = Gate::start().await;
    let (idle, idle_url) = Gate::start().await;
    let ordered = NewEndpoint::new(idle_url).ordered(true);
    one.endpoints("idle").add(ordered).await.unwrap();
    idle.open("idle0", 200);
    send(&one, "idle", 0..1).await;
    until("it is idle", async || one.pending().await.unwrap() == 0).await;
    // Another takes its place in memory.
    one.endpoints("slow").add(slow_url).await.unwrap();
    send(&one, "slow", 0..1).await;
    slow.wait_for(1).await;
    let other = open(&database).await;
    let ended = tokio::spawn(async move { one.shutdown(GRACE).await });
    send(&other, "idle", 1..2).await;
    idle.wait_for(2).await;
    assert!(!ended.is_finished(), "a request is in flight there");
    slow.open("slow0", 200);
    idle.open("idle1", 200);
    ended.await.unwrap();
}

#[tokio::test]
async fn a_node_that_ends_waits_for_nobody_who_makes_a_lane() {
    let left = LeftLane::start().await;
    // Somebody makes the lane, and does not commit yet.
    let mut maker = PgConnection::connect(left.database.url()).await.unwrap();
    let mut making = maker.begin().await.unwrap();
    sqlx::query(
        "insert into hooks.lane (endpoint_key, due_at, backoff_until, failures)
         select key, 0, 0, 0 from hooks.endpoint",
    )
    .execute(&mut *making)
    .await
    .unwrap();
    let began = left.gate.arrived().len();
    let one = left.one.clone();
    let ended = tokio::spawn(async move { one.shutdown(GRACE).await });
    // What the other node may send goes out beside it.
    left.gate.wait_for(began + 1).await;
    making.commit().await.unwrap();
    left.answer(0..EVENTS);
    ended.await.unwrap();
    left.until_nothing_is_owed().await;
    assert_eq!(left.gate.arrived().len(), EVENTS, "each came once");
}
