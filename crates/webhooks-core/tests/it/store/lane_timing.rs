//! When a lane is tried: no later than it may be.

use webhooks_core::{RetrySchedule, testing::Answer};

use crate::{
    each_store::Store,
    world::{hours, seconds},
};

async fn a_new_delivery_does_not_wait_for_the_retry_of_another(store: Store) {
    let world = store
        .world_with(|builder| builder.retry(RetrySchedule::new([hours(1), hours(1)]).unwrap()))
        .await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([429, 200]);
    world.send("e1").await;
    world.webhooks.drain().await;
    world.send("e2").await;
    // The endpoint may be tried again after 5 s. Nothing but the clock wakes the engine here.
    world.clock.advance(seconds(6));
    world.receiver.wait_for(2).await;
    assert_eq!(world.receiver.event_ids(), ["e1", "e2"]);
}

async fn what_stands_behind_a_head_that_was_cancelled_in_flight_does_not_wait_for_its_retry(
    store: Store,
) {
    let world = store
        .world_with(|builder| {
            builder
                .retry(RetrySchedule::new([hours(1), hours(1)]).unwrap())
                .time_limit(seconds(1))
        })
        .await;
    let id = world.endpoint(|endpoint| endpoint.ordered(true)).await;
    world.receiver.respond_to("head", [Answer::hang()]);
    world.send("head").await;
    world.send("next").await;
    world.receiver.wait_for(1).await;
    let endpoints = world.webhooks.endpoints("acme");
    assert!(
        endpoints.cancel(&id, "head").await.unwrap(),
        "it is in flight"
    );
    world.webhooks.drain().await;
    world.pass(seconds(61)).await;
    assert_eq!(world.receiver.event_ids(), ["head", "next"]);
}

async fn a_pause_longer_than_the_schedule_costs_no_event_when_the_endpoint_then_fails(
    store: Store,
) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(&id).await.unwrap();
    world.send_all((0..5).map(|n| format!("e{n}"))).await;
    world.pass(hours(10 * 24)).await;
    world.receiver.respond([429, 200]);
    endpoints.resume(&id).await.unwrap();
    world.webhooks.drain().await;
    for _ in 0..10 {
        world.pass(seconds(60)).await;
    }
    let mut arrived = world.receiver.event_ids();
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived, ["e0", "e1", "e2", "e3", "e4"]);
}

for_each_store!(
    a_new_delivery_does_not_wait_for_the_retry_of_another,
    what_stands_behind_a_head_that_was_cancelled_in_flight_does_not_wait_for_its_retry,
    a_pause_longer_than_the_schedule_costs_no_event_when_the_endpoint_then_fails
);
