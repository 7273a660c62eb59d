//! A node that ends in order: what it does not send itself any more goes on elsewhere at once.

use std::time::Duration;

use scratch_postgres::Database;
use webhooks_core::{Event, NewEndpoint, Webhooks};

use super::{open, until};
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
