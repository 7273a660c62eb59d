//! A file that outlives the process: what a restart takes over.

use std::{sync::Arc, time::Duration};

use webhooks_core::{
    DeliveryState, Event, OpenError, Webhooks,
    testing::{Answer, ManualClock},
};

use crate::{
    each_store::{Database, Store},
    world::{World, builder, seconds},
};

async fn reopen(clock: &Arc<ManualClock>, address: &str) -> Webhooks {
    // The file is let go of shortly after the last handle is dropped.
    let mut tries = 0;
    loop {
        match builder(clock).open(address).await {
            Err(OpenError::InUse { .. }) if tries < 1_000 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            opened => return opened.unwrap(),
        }
    }
}

async fn what_waits_for_a_retry_survives_a_restart(store: Store) {
    let Database { address, .. } = &store.database();
    let world = World::open(Arc::default(), address, |builder| builder).await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([500, 503, 200]);
    world.send("a").await;
    world.webhooks.drain().await;
    let owed = world.webhooks.shutdown(seconds(5)).await;
    assert_eq!((owed.deliveries, owed.cut_off), (1, 0));
    let webhooks = reopen(&world.clock, address).await;
    webhooks.drain().await;
    assert_eq!(
        world.receiver.requests().len(),
        1,
        "the retry is not due yet"
    );
    world.clock.advance(seconds(6));
    webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 2);
    webhooks.shutdown(seconds(5)).await;
    let webhooks = reopen(&world.clock, address).await;
    world.clock.advance(seconds(331));
    webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 3);
    let delivery = &webhooks.deliveries("acme", "a").await.unwrap()[0];
    assert!(
        matches!(delivery.state, DeliveryState::Delivered { .. }),
        "{delivery:?}"
    );
    assert_eq!(delivery.attempts.len(), 3);
}

async fn dropping_without_shutdown_loses_nothing(store: Store) {
    let Database { address, .. } = &store.database();
    let world = World::open(Arc::default(), address, |builder| builder).await;
    world.endpoint(|endpoint| endpoint.ordered(true)).await;
    world
        .receiver
        .respond_to("e0", [Answer::hang(), 200.into()]);
    world
        .send_all((0..50).map(|index| format!("e{index}")))
        .await;
    world.receiver.wait_for(1).await;
    let World {
        clock,
        webhooks,
        receiver,
        ..
    } = world;
    drop(webhooks);
    let webhooks = reopen(&clock, address).await;
    webhooks.drain().await;
    let expected: Vec<String> = std::iter::once("e0".to_owned())
        .chain((0..50).map(|index| format!("e{index}")))
        .collect();
    assert_eq!(
        receiver.event_ids(),
        expected,
        "the one in flight again, then the others in order"
    );
}

async fn a_request_that_outlasts_the_grace_is_cut_off_and_made_again(store: Store) {
    let Database { address, .. } = &store.database();
    let world = World::open(Arc::default(), address, |builder| builder).await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([Answer::hang(), 200.into()]);
    world.send("a").await;
    world.receiver.wait_for(1).await;
    let owed = world.webhooks.shutdown(Duration::from_millis(20)).await;
    assert_eq!((owed.deliveries, owed.cut_off), (1, 1));
    assert!(
        world
            .webhooks
            .send("acme", Event::new("a", &1))
            .await
            .is_err(),
        "it takes no more work"
    );
    let webhooks = reopen(&world.clock, address).await;
    world.receiver.wait_for(2).await;
    webhooks.drain().await;
    assert_eq!(webhooks.pending().await.unwrap(), 0);
}

async fn what_healthy_endpoints_are_owed_at_a_restart_does_not_wait_for_those_that_hang(
    store: Store,
) {
    // Endpoints in trouble that are tried at once, at most.
    const PROBES: usize = 128;
    let Database { address, .. } = &store.database();
    let clock = Arc::<ManualClock>::default();
    let limit = |builder: webhooks_core::Builder| builder.time_limit(seconds(3_600));
    let world = World::open(Arc::clone(&clock), address, limit).await;
    world.endpoint(|endpoint| endpoint.ordered(true)).await;
    world.receiver.respond([Answer::hang()]);
    world.send("a").await;
    world.receiver.wait_for(1).await;
    let dead = webhooks_core::testing::Receiver::start().await.unwrap();
    dead.respond([503]);
    for index in 0..PROBES + 10 {
        let customer = format!("dead{index}");
        let endpoints = world.webhooks.endpoints(&customer);
        endpoints.add(dead.url()).await.unwrap();
        let sent = world.webhooks.send(&customer, Event::new("a", &1)).await;
        sent.unwrap();
    }
    dead.wait_for(PROBES + 10).await;
    world.webhooks.shutdown(Duration::from_millis(50)).await;
    dead.respond([Answer::hang()]);
    clock.advance(seconds(10));
    let _webhooks = limit(builder(&clock)).open(address).await.unwrap();
    let again = tokio::time::timeout(seconds(10), world.receiver.wait_for(2));
    again.await.expect("it is sent beside those that hang");
}

for_each_durable_store!(
    what_waits_for_a_retry_survives_a_restart,
    dropping_without_shutdown_loses_nothing,
    a_request_that_outlasts_the_grace_is_cut_off_and_made_again,
    what_healthy_endpoints_are_owed_at_a_restart_does_not_wait_for_those_that_hang
);
