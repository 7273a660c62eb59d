//! Transactions that fail on their way: memory must be as the database is.

use std::{sync::Arc, time::Duration};

use scratch_postgres::{Cluster, Database, Settings};
use webhooks_core::{Event, NewEndpoint, RetrySchedule, Webhooks, testing::Receiver};

use super::{
    open_with,
    scissors::{Cut, Scissors},
    until,
};
use crate::world::gate::Gate;

/// The next transaction reads every endpoint again, as if another node had changed it.
const CHANGE_ALL: &str = "
    with raised as (update hooks.change set version = version + 1 returning version)
    update hooks.endpoint e set version = raised.version from raised";
/// What only a batch has that is written statement by statement.
const STORED: &str = "with stored as (";
/// What only a load has.
const LOADED: &str = "set claim = t.claim, lane = t.lane";

/// The first row that is put into a table of ours is refused, and so is its transaction.
fn refuse_first(database: &Database, table: &str) {
    for statement in [
        "create sequence hooks.inserts".to_owned(),
        "create function hooks.refuse_first() returns trigger language plpgsql as $$
         begin
             if nextval('hooks.inserts') = 1 then raise exception 'refused on purpose'; end if;
             return new;
         end $$"
            .to_owned(),
        format!(
            "create trigger refuse_first before insert on hooks.{table}
             for each row execute function hooks.refuse_first()"
        ),
    ] {
        database.query(&statement).unwrap();
    }
}

#[tokio::test]
async fn a_lane_is_loaded_after_an_outcome_that_was_refused_at_first() {
    let database = Database::create().unwrap();
    let soon = RetrySchedule::new([Duration::from_millis(50); 5]).unwrap();
    let webhooks = open_with(&database, |builder| builder.retry(soon)).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    webhooks.endpoints("acme").add(endpoint).await.unwrap();
    refuse_first(&database, "attempt");
    receiver.respond_to("first", [500, 200]);
    // In one call: the outcome of the first must not be refused together with the second.
    let events = ["first", "second"].map(|id| Event::new("a", &1).id(id));
    webhooks.send_all("acme", events).await.unwrap();
    until("all is delivered", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(receiver.event_ids(), ["first", "first", "second"]);
    let inserts = database.query("select last_value from hooks.inserts");
    assert_eq!(inserts.unwrap(), "4");
}

async fn open(address: &str) -> Webhooks {
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    builder.open(address).await.unwrap()
}

/// Events of an ordered endpoint.
struct InOrder {
    ids: Vec<String>,
    gate: Arc<Gate>,
}

impl InOrder {
    /// The first half is sent, and the request of the first is in flight.
    async fn begin(webhooks: &Webhooks) -> Self {
        let (gate, url) = Gate::start().await;
        let endpoint = NewEndpoint::new(url).ordered(true);
        webhooks.endpoints("acme").add(endpoint).await.unwrap();
        let ids: Vec<String> = (0..10).map(|n| format!("e{n}")).collect();
        let before = ids[..5].iter().map(|id| event(id));
        webhooks.send_all("acme", before).await.unwrap();
        gate.wait_for(1).await;
        Self { ids, gate }
    }

    /// Sends the rest. None of it overtakes the first, of which `requests` have arrived; then all arrive in order.
    async fn end(self, webhooks: &Webhooks, requests: usize) {
        for id in &self.ids[5..] {
            webhooks.send("acme", event(id)).await.unwrap();
        }
        assert_eq!(self.gate.arrived(), vec!["e0"; requests]);
        for id in &self.ids {
            self.gate.open(id, 200);
        }
        until("all is delivered", async || {
            webhooks.pending().await.unwrap() == 0
        })
        .await;
        assert_eq!(self.gate.arrived()[requests - 1..], self.ids);
    }
}

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

#[tokio::test]
async fn an_endpoint_that_was_read_again_in_a_lost_transaction_keeps_what_it_has_in_memory() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let scissors = Scissors::before(cluster.port()).await;
    let webhooks = open(&scissors.address()).await;
    let line = InOrder::begin(&webhooks).await;
    cluster.query(CHANGE_ALL).unwrap();
    scissors.cut_at(STORED, Cut::Before);
    let lost = webhooks.send("acme", event("lost")).await;
    assert!(lost.is_err(), "{lost:?}");
    assert!(scissors.made().is_some());
    line.end(&webhooks, 1).await;
}

#[tokio::test]
async fn a_node_whose_first_load_is_lost_sends_a_lane_in_order() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let scissors = Scissors::before(cluster.port()).await;
    let first = open(&format!("{}?schema=hooks", cluster.url())).await;
    let line = InOrder::begin(&first).await;
    first.shutdown(Duration::ZERO).await;
    scissors.cut_at(LOADED, Cut::Before);
    let second = open(&scissors.address()).await;
    until("its load is lost", async || !scissors.is_waiting()).await;
    line.gate.wait_for(2).await;
    line.end(&second, 2).await;
}
