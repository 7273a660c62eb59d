//! A worker that panics takes neither its delivery nor its place with it.
#![allow(clippy::panic)]

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use webhooks_core::{
    Clock, Event, NewEndpoint, OutgoingRequest, Webhooks,
    testing::{ManualClock, Receiver},
};

use crate::{
    each_store::{Database, Store},
    world::seconds,
};

/// A clock that panics once when it is asked by anything but a store's own threads.
#[derive(Default)]
struct PanickingClock {
    clock: ManualClock,
    armed: AtomicBool,
}

impl Clock for PanickingClock {
    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    fn monotonic(&self) -> Duration {
        let thread = std::thread::current();
        let stores = thread
            .name()
            .is_some_and(|name| name.starts_with("webhooks-"));
        if !stores && self.armed.swap(false, Ordering::SeqCst) {
            panic!("planted");
        }
        self.clock.monotonic()
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep_until(at)
    }
}

async fn its_delivery_is_made_and_its_endpoint_goes_on(store: Store) {
    let Database { address, .. } = &store.database();
    let clock = Arc::<PanickingClock>::default();
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .open(address)
        .await
        .unwrap();
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).in_flight(1);
    webhooks.endpoints("acme").add(endpoint).await.unwrap();
    webhooks.drain().await;
    clock.armed.store(true, Ordering::SeqCst);
    let events = ["a", "b", "c"].map(|id| Event::new("random_number:generate", &1).id(id));
    webhooks.send_all("acme", events).await.unwrap();
    let arrived = tokio::time::timeout(seconds(10), receiver.wait_for(3)).await;
    let arrived = arrived.expect("the endpoint's only place is free again");
    assert_eq!(arrived.len(), 3);
    assert!(!clock.armed.load(Ordering::SeqCst), "nothing panicked");
    webhooks.drain().await;
    assert_eq!(webhooks.pending().await.unwrap(), 0);
}

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

for_each_store!(
    its_delivery_is_made_and_its_endpoint_goes_on,
    a_watcher_that_panics_costs_no_delivery_and_no_place
);
