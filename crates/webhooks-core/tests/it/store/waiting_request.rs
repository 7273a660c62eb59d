//! What a worker holds back for the rate limit is not sent once it must not be.

use std::num::NonZeroU32;

use webhooks_core::{DeliveryState, EndReason, EndpointChange, EndpointId, testing::Answer};

use crate::{
    each_store::Store,
    world::{World, seconds},
};

/// An endpoint that takes one request a second, with one that was made and two that wait.
async fn one_and_two_that_wait(store: Store, answer: Answer) -> (World, EndpointId) {
    let world = store.world().await;
    world.receiver.respond([answer, 200.into()]);
    let id = world
        .endpoint(|endpoint| endpoint.per_second(NonZeroU32::MIN))
        .await;
    world.send_all(["a", "b", "c"].map(String::from)).await;
    // The first is answered and stored, the others wait for the clock.
    world.webhooks.drain().await;
    (world, id)
}

async fn nothing_is_sent_to_a_paused_endpoint(store: Store) {
    let (world, id) = one_and_two_that_wait(store, 200.into()).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(&id).await.unwrap();
    world.pass(seconds(10)).await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    endpoints.resume(&id).await.unwrap();
    world.receiver.wait_for(2).await;
    world.pass(seconds(1)).await;
    world.receiver.wait_for(3).await;
    world.webhooks.drain().await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn nothing_is_sent_to_a_removed_endpoint(store: Store) {
    let (world, id) = one_and_two_that_wait(store, 200.into()).await;
    world.webhooks.endpoints("acme").remove(&id).await.unwrap();
    world.pass(seconds(10)).await;
    world.pass(seconds(31)).await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn what_is_canceled_is_not_sent(store: Store) {
    let (world, id) = one_and_two_that_wait(store, 200.into()).await;
    let endpoints = world.webhooks.endpoints("acme");
    let in_flight = endpoints.cancel(&id, "b").await.unwrap();
    assert!(!in_flight, "it waited for its turn");
    world.pass(seconds(10)).await;
    assert_eq!(world.receiver.event_ids(), ["a", "c"]);
    let state = world.state("b").await;
    let canceled = matches!(
        state,
        DeliveryState::Ended {
            reason: EndReason::Canceled,
            ..
        }
    );
    assert!(canceled, "{state:?}");
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn what_is_sent_after_a_change_goes_to_the_new_url(store: Store) {
    let (world, id) = one_and_two_that_wait(store, 200.into()).await;
    let other = webhooks_core::testing::Receiver::start().await.unwrap();
    let endpoints = world.webhooks.endpoints("acme");
    let change = EndpointChange::new().url(other.url());
    endpoints.edit(&id, change).await.unwrap();
    world.pass_in_steps(seconds(5), 2).await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    assert_eq!(other.requests().len(), 2);
}

async fn an_endpoint_that_asks_for_a_wait_gets_it(store: Store) {
    let answer = Answer::status(429).header("retry-after", "600");
    let (world, _) = one_and_two_that_wait(store, answer).await;
    world.pass(seconds(10)).await;
    world.pass(seconds(500)).await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    world.pass_in_steps(seconds(61), 10).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    assert_eq!(world.receiver.requests().len(), 4);
}

for_each_store!(
    nothing_is_sent_to_a_paused_endpoint,
    nothing_is_sent_to_a_removed_endpoint,
    what_is_canceled_is_not_sent,
    what_is_sent_after_a_change_goes_to_the_new_url,
    an_endpoint_that_asks_for_a_wait_gets_it
);
