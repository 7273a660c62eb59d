//! A lane that the store refuses to load does not keep the writer busy.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use webhooks_core::{
    Clock, Event, Webhooks,
    testing::{ManualClock, Receiver},
};

use crate::{
    each_store::{Database, Store},
    world::{fault::Fault, gate::let_others_run, seconds},
};

/// A clock that counts how often the writer looks at it.
#[derive(Default)]
struct CountingClock {
    clock: ManualClock,
    looks: AtomicUsize,
}

impl Clock for CountingClock {
    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    fn monotonic(&self) -> Duration {
        if std::thread::current().name() == Some("webhooks-writer") {
            self.looks.fetch_add(1, Ordering::SeqCst);
        }
        self.clock.monotonic()
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep_until(at)
    }
}

async fn a_lane_that_cannot_be_loaded_is_looked_at_again_in_a_while(store: Store) {
    let Database { address, .. } = &store.database();
    let clock = Arc::<CountingClock>::default();
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .open(address)
        .await
        .unwrap();
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    webhooks.drain().await;
    let fault = Fault::plant_in_claims(address).await;
    // More than memory holds for one endpoint.
    for batch in 0..3 {
        let events = (0..700).map(|n| Event::new("a", &1).id(format!("b{batch}-{n}")));
        webhooks.send_all("acme", events).await.unwrap();
    }
    receiver.wait_for(1_024).await;
    for _ in 0..20 {
        let_others_run().await;
    }
    let before = clock.looks.load(Ordering::SeqCst);
    for _ in 0..20 {
        let_others_run().await;
    }
    let looks = clock.looks.load(Ordering::SeqCst) - before;
    assert!(looks < 100, "the writer looked at the clock {looks} times");
    fault.mend().await;
    clock.clock.advance(seconds(2));
    receiver.wait_for(2_100).await;
    webhooks.drain().await;
    assert_eq!(webhooks.pending().await.unwrap(), 0);
}

for_each_durable_store!(a_lane_that_cannot_be_loaded_is_looked_at_again_in_a_while);
