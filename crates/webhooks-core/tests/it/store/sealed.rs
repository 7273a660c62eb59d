//! Secrets that are sealed with a key: not to be found in what is stored, and of no use with another key.

use std::sync::Arc;

use webhooks_core::{Event, NewEndpoint, OpenError, Secret, testing::ManualClock};

use crate::{
    each_store::{Database, Store},
    world::{World, builder, outside::Outside, seconds},
};

async fn secrets_are_sealed_when_a_key_is_configured(store: Store) {
    let Database { address, .. } = &store.database();
    let clock = Arc::<ManualClock>::default();
    let world = World::open(Arc::clone(&clock), address, |builder| {
        builder.encryption_key([7; 32])
    })
    .await;
    let secret = Secret::generate();
    let url = world
        .receiver
        .url()
        .replace("http://", "http://user:planted-password@");
    let endpoint = NewEndpoint::new(url)
        .secret(secret.clone())
        .header("x-api-key", "planted-api-key");
    let added = world
        .webhooks
        .endpoints("acme")
        .add(endpoint)
        .await
        .unwrap();
    assert!(
        !added.endpoint.url.contains("planted"),
        "{}",
        added.endpoint.url
    );
    world.send("a").await;
    let request = world.receiver.wait_for(1).await.remove(0);
    assert_eq!(request.header("x-api-key"), "planted-api-key");
    assert!(request.header("authorization").starts_with("Basic "));
    world.webhooks.shutdown(seconds(5)).await;
    let exposed = secret.expose();
    let outside = Outside::at(address);
    for planted in [
        "planted-password",
        "planted-api-key",
        exposed.trim_start_matches("whsec_"),
    ] {
        assert!(!outside.has(planted.as_bytes()).await, "{planted}");
    }
    assert!(outside.has(b"acme").await, "what is not secret is found");
    let refused = builder(&clock).open(address).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Key { .. }), "{refused}");
    let refused = builder(&clock)
        .encryption_key([8; 32])
        .open(address)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("another key"), "{refused}");
    let webhooks = builder(&clock)
        .encryption_key([7; 32])
        .open(address)
        .await
        .unwrap();
    webhooks.send("acme", Event::new("a", &1)).await.unwrap();
    world.receiver.wait_for(2).await;
}

for_each_durable_store!(secrets_are_sealed_when_a_key_is_configured);
