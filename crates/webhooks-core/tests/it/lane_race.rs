//! A lane whose state changes in the same transaction in which an app's own closure adds to it.
#![cfg(feature = "testing")]

use crate::world::{World, gate::Gate, seconds};
use webhooks_core::{Event, NewEndpoint};

#[tokio::test]
async fn a_pause_that_ends_in_the_commit_of_a_transaction_keeps_the_order() {
    let world = World::new().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let added = endpoints.add(NewEndpoint::new(url).ordered(true)).await;
    let id = added.unwrap().id;
    world.send_all(["a", "b", "c"].map(String::from)).await;
    gate.wait_for(1).await;
    let release = world.hold_writer().await;
    let event = Event::new("random_number:generate", &1).id("d");
    let (sent, paused, resumed, ()) = tokio::join!(
        biased;
        world.webhooks.transaction(|tx| tx.send("acme", event)),
        endpoints.pause(&id),
        endpoints.resume(&id),
        async { drop(release) },
    );
    assert!(sent.is_ok() && paused.is_ok() && resumed.is_ok());
    for id in ["a", "b", "c", "d"] {
        gate.open(id, 200);
    }
    world.pass_in_steps(seconds(70), 3).await;
    assert_eq!(gate.arrived(), ["a", "b", "c", "d"]);
}
