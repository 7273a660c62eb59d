//! What is done is deleted in time, whatever stands before it, and what is owed is not.

use std::sync::Arc;

use webhooks_core::{DeliveryState, EndReason, Event};

use crate::{
    each_store::{Database, Store},
    world::{World, hours, seconds},
};

/// More than one slice of deleting takes (1,000).
const MANY: usize = 1_100;

async fn send_many(world: &World, customer: &str) {
    for batch in 0..MANY / 100 {
        let events = (0..100).map(|n| Event::new("a", &1).id(format!("{customer}{batch}-{n}")));
        world.webhooks.send_all(customer, events).await.unwrap();
    }
}

async fn retention_takes_what_is_done_and_leaves_what_is_owed(store: Store) {
    let grain = store.grain();
    let world = store
        .world_with(|builder| builder.keep(hours(100) + grain, hours(80)))
        .await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world
        .send_all((0..10).map(|index| format!("done{index}")))
        .await;
    world.webhooks.drain().await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    world.send("owed").await;
    world.webhooks.drain().await;
    world.pass(hours(81) + grain).await;
    world.pass_in_steps(seconds(31), 3).await;
    assert_eq!(
        (
            store.rows(&world, "event").await,
            store.rows(&world, "attempt").await
        ),
        (11, 0)
    );
    world.pass(hours(20) + 2 * grain).await;
    world.pass_in_steps(seconds(31), 3).await;
    assert_eq!(
        store.rows(&world, "event").await,
        1,
        "the one that is owed stays"
    );
    world.webhooks.endpoints("acme").resume(&id).await.unwrap();
    world.receiver.wait_for(11).await;
}

async fn events_are_deleted_behind_many_that_are_still_owed(store: Store) {
    let world = store
        .world_with(|builder| builder.keep(hours(100), hours(80)))
        .await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    send_many(&world, "acme").await;
    send_many(&world, "nobody").await;
    assert_eq!(store.rows(&world, "event").await, 2 * MANY);
    world.pass(hours(101) + store.grain()).await;
    world.pass_in_steps(seconds(31), 3).await;
    assert_eq!(store.rows(&world, "event").await, MANY);
    // What was owed then goes when it is done, if not at once; a day that is taken away hands it to
    // the present one.
    world.webhooks.endpoints("acme").resume(&id).await.unwrap();
    world.webhooks.drain().await;
    world.pass_in_steps(hours(2) + 3 * store.grain(), 2).await;
    assert_eq!(store.rows(&world, "event").await, 0);
}

async fn attempts_are_deleted_behind_one_that_was_made_later(store: Store) {
    let world = store
        .world_with(|builder| builder.keep(hours(100), hours(80)))
        .await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send("first").await;
    send_many(&world, "acme").await;
    world.webhooks.drain().await;
    world.pass(hours(79)).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.resend(&id, "first").await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(store.rows(&world, "attempt").await, MANY + 2);
    world.pass(hours(2) + store.grain()).await;
    world.pass_in_steps(seconds(31), 3).await;
    assert_eq!(store.rows(&world, "attempt").await, 1, "that of the resend");
    world.pass_in_steps(hours(40) + store.grain(), 2).await;
    assert_eq!(store.rows(&world, "attempt").await, 0);
}

async fn what_ended_is_deleted_with_its_event_however_many_endpoints_it_had(store: Store) {
    let world = store
        .world_with(|builder| builder.keep(hours(100), hours(80)))
        .await;
    for _ in 0..300 {
        let id = world.endpoint(|endpoint| endpoint).await;
        world
            .webhooks
            .endpoints("acme")
            .disable(&id, "by hand")
            .await
            .unwrap();
    }
    for event in 0..10 {
        world.send(&format!("e{event}")).await;
    }
    assert_eq!(store.rows(&world, "ending").await, 3_000);
    world.pass(hours(101) + store.grain()).await;
    world.pass_in_steps(seconds(31), 2).await;
    assert_eq!(store.rows(&world, "ending").await, 0);
    assert_eq!(store.rows(&world, "event").await, 0);
}

/// Attempts of the event that `world` sends next are its own, whatever is kept of older ones.
async fn nothing_is_on_record_of_the_next_event(world: &World, id: &webhooks_core::EndpointId) {
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(id).await.unwrap();
    world.send("new").await;
    endpoints.cancel(id, "new").await.unwrap();
    let delivery = world.delivery("new").await;
    assert_eq!(delivery.attempts, []);
    assert!(
        matches!(
            delivery.state,
            DeliveryState::Ended {
                reason: EndReason::Canceled,
                ..
            }
        ),
        "{:?}",
        delivery.state
    );
}

async fn attempts_of_an_event_that_is_gone_are_not_those_of_the_next(store: Store) {
    let world = store
        .world_with(|builder| builder.keep(hours(100), hours(200)))
        .await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send("old").await;
    world.webhooks.drain().await;
    world.pass(hours(101) + store.grain()).await;
    assert_eq!(
        (
            store.rows(&world, "event").await,
            store.rows(&world, "attempt").await
        ),
        (0, 1)
    );
    nothing_is_on_record_of_the_next_event(&world, &id).await;
}

async fn nor_are_they_after_a_restart(store: Store) {
    let Database { address, .. } = &store.database();
    let open = |clock| {
        World::open(clock, address, |builder| {
            builder.keep(hours(100), hours(200))
        })
    };
    let world = open(Arc::default()).await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send("old").await;
    world.webhooks.drain().await;
    world.pass(hours(101) + store.grain()).await;
    world.webhooks.shutdown(seconds(5)).await;
    let clock = Arc::clone(&world.clock);
    drop(world);
    let world = open(clock).await;
    assert_eq!(
        (
            store.rows(&world, "event").await,
            store.rows(&world, "attempt").await
        ),
        (0, 1)
    );
    nothing_is_on_record_of_the_next_event(&world, &id).await;
}

for_each_store!(
    retention_takes_what_is_done_and_leaves_what_is_owed,
    events_are_deleted_behind_many_that_are_still_owed,
    attempts_are_deleted_behind_one_that_was_made_later,
    what_ended_is_deleted_with_its_event_however_many_endpoints_it_had,
    attempts_of_an_event_that_is_gone_are_not_those_of_the_next
);
for_each_durable_store!(nor_are_they_after_a_restart);
