//! A worker that panics takes neither its delivery nor its place with it.
#![cfg(feature = "testing")]
#![allow(clippy::panic)]

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::world::seconds;
use webhooks_core::{
    Clock, Event, NewEndpoint, Webhooks,
    testing::{ManualClock, Receiver},
};

/// A clock that panics once when it is asked by anything but the writer.
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
        let writes = std::thread::current().name() == Some("webhooks-writer");
        if !writes && self.armed.swap(false, Ordering::SeqCst) {
            panic!("planted");
        }
        self.clock.monotonic()
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep_until(at)
    }
}

#[tokio::test]
async fn its_delivery_is_made_and_its_endpoint_goes_on() {
    let clock = Arc::<PanickingClock>::default();
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .open("sqlite::memory:")
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
