//! Who watches the requests sees what arrives.
#![cfg(feature = "testing")]

use std::sync::{Arc, Mutex};

use webhooks_core::{
    Event, Webhooks,
    testing::{ManualClock, Receiver},
};

use crate::each_store::{Database, Store};

/// What the client adds to the headers that are shown.
const ADDED: [&str; 1] = ["content-length"];

async fn a_watcher_is_shown_each_request_just_as_it_arrives(store: Store) {
    let Database { address, .. } = &store.database();
    let clock = Arc::<ManualClock>::default();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let watched = Arc::clone(&shown);
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .clock(Arc::clone(&clock) as _)
        .on_request(move |request| {
            watched.lock().unwrap().push((
                request.url.to_string(),
                request.event_id.to_owned(),
                request.headers.clone(),
                request.body.to_vec(),
            ));
        })
        .open(address)
        .await
        .unwrap();
    let receiver = Receiver::start().await.unwrap();
    receiver.respond([503, 200]);
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    let event = Event::new("random_number:generate", &863).id("e1");
    webhooks.send("acme", event).await.unwrap();
    receiver.wait_for(1).await;
    webhooks.drain().await;
    clock.advance(std::time::Duration::from_secs(60));
    let arrived = receiver.wait_for(2).await;

    let shown = shown.lock().unwrap();
    assert_eq!(shown.len(), 2);
    for ((url, event_id, headers, body), arrived) in shown.iter().zip(&arrived) {
        assert_eq!(
            url.trim_end_matches('/'),
            receiver.url().trim_end_matches('/')
        );
        assert_eq!(event_id, "e1");
        let mut received = arrived.headers.clone();
        for name in ADDED {
            assert!(received.remove(name).is_some(), "{name}");
        }
        assert_eq!(*headers, received);
        assert_eq!(*body, arrived.body);
    }
}

for_each_store!(a_watcher_is_shown_each_request_just_as_it_arrives);
