//! A worker that panics in an app's own function takes neither its delivery nor its place with it.
#![allow(clippy::panic)]

use std::sync::atomic::{AtomicBool, Ordering};

use webhooks_core::OutgoingRequest;

use crate::{each_store::Store, world::seconds};

async fn a_watcher_that_panics_costs_no_delivery_and_no_place(store: Store) {
    let armed = AtomicBool::new(true);
    let watch = move |_: OutgoingRequest<'_>| {
        if armed.swap(false, Ordering::SeqCst) {
            panic!("planted");
        }
    };
    let world = store.world_with(|builder| builder.on_request(watch)).await;
    world.endpoint(|endpoint| endpoint.in_flight(1)).await;
    world.send_all(["a", "b", "c"].map(String::from)).await;
    let arrived = tokio::time::timeout(seconds(10), world.receiver.wait_for(3)).await;
    let arrived = arrived.expect("the endpoint's only place is free again");
    assert_eq!(arrived.len(), 3);
    world.webhooks.drain().await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

for_each_store!(a_watcher_that_panics_costs_no_delivery_and_no_place);
