//! Receivers that fail at times: slowed down by degrees, and stopped only when they are down.

use std::{sync::Arc, time::Duration};

use webhooks_core::{DeliveryState, HoldReason, NewEndpoint, testing::Answer};

use crate::{
    each_store::Store,
    world::{gate::Gate, seconds},
};

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}{index}")).collect()
}

/// How many of 400 events get through without the clock moving when every `every`th request is
/// answered with `answer`.
async fn delivered_at_once(store: Store, every: usize, answer: Answer) -> usize {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    let answers = (1..=2_000).map(|request| {
        if request % every == 0 {
            answer.clone()
        } else {
            200.into()
        }
    });
    world.receiver.respond(answers.collect::<Vec<_>>());
    world.send_all(ids("e", 400)).await;
    world.webhooks.drain().await;
    400 - usize::try_from(world.webhooks.pending().await.unwrap()).unwrap()
}

async fn one_request_in_twenty_or_five_that_fails_stops_nothing(store: Store) {
    for status in [502, 503, 504] {
        assert_eq!(
            delivered_at_once(store, 20, status.into()).await,
            380,
            "{status}"
        );
    }
    assert_eq!(delivered_at_once(store, 5, 503.into()).await, 320);
    // Nor do failures that may be about their events.
    assert_eq!(delivered_at_once(store, 2, 400.into()).await, 200);
}

async fn an_endpoint_that_only_answers_503_is_slowed_down_and_then_stopped(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([503]);
    world.send_all(ids("e", 200)).await;
    world.webhooks.drain().await;
    let first = world.receiver.requests().len();
    assert!(
        first <= 16,
        "{first} requests before it was down to one at a time"
    );
    // Further and further apart.
    world.pass_in_steps(Duration::from_millis(100), 100).await;
    let slow = world.receiver.requests().len();
    assert!(
        (first + 3..=first + 20).contains(&slow),
        "{first}, then {slow}"
    );
    // Nothing but failures for more than 5 s: it is tried now and then.
    assert!(matches!(
        world.state("e199").await,
        DeliveryState::Held {
            reason: HoldReason::Trouble,
            ..
        }
    ));
    world.receiver.respond([200]);
    world.pass_in_steps(seconds(10), 12).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn a_retry_after_is_kept_to_the_second(store: Store) {
    for status in [429, 503, 500] {
        let world = store.world().await;
        world.endpoint(|endpoint| endpoint).await;
        let asks = Answer::status(status).header("retry-after", "2");
        world.receiver.respond([asks, 200.into()]);
        world.send("a").await;
        world.webhooks.drain().await;
        world.send("b").await;
        world.pass(Duration::from_millis(1_900)).await;
        assert_eq!(world.receiver.event_ids(), ["a"], "too soon after {status}");
        world.pass(Duration::from_millis(200)).await;
        // The endpoint answers: what waited for it is sent, "a" included.
        assert_eq!(world.receiver.event_ids()[1], "b", "after {status}");
    }
}

/// Each pause was twice as long as the one before, up to a minute, as long as anything waited.
async fn a_receiver_that_asks_for_a_pause_now_and_then_is_not_left_alone_for_longer(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint.in_flight(1)).await;
    let asks = Answer::status(429).header("retry-after", "1");
    let answers = (1..=4_000).map(|request| {
        if request % 150 == 0 {
            asks.clone()
        } else {
            200.into()
        }
    });
    world.receiver.respond(answers.collect::<Vec<_>>());
    // More than memory holds: some wait in the lane until almost all are delivered.
    for prefix in ["a", "b"] {
        world.send_all(ids(prefix, 1_000)).await;
    }
    world.webhooks.drain().await;
    // Thirteen pauses of a second, and the retries of those that were refused.
    world.pass_in_steps(Duration::from_millis(500), 50).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

/// What an event waits for that is sent after a request that hangs, with another answered
/// meanwhile or not.
async fn behind_one_that_hangs(store: Store, answered: Option<&str>) -> DeliveryState {
    let world = store
        .world_with(|builder| builder.time_limit(Duration::from_millis(300)))
        .await;
    let (gate, url): (Arc<Gate>, String) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.add(NewEndpoint::new(url)).await.unwrap();
    world.send("hangs").await;
    gate.wait_for(1).await;
    if let Some(id) = answered {
        gate.open(id, 200);
        world.clock.advance(seconds(1));
        world.send(id).await;
    }
    while world.state("hangs").await == DeliveryState::InFlight {
        tokio::task::yield_now().await;
    }
    world.send("behind").await;
    world.state("behind").await
}

async fn an_endpoint_that_answered_another_request_meanwhile_is_not_down(store: Store) {
    let held = |state: &DeliveryState| {
        matches!(
            state,
            DeliveryState::Held {
                reason: HoldReason::Trouble,
                ..
            }
        )
    };
    let state = behind_one_that_hangs(store, Some("well")).await;
    assert!(!held(&state), "{state:?}");
    let state = behind_one_that_hangs(store, None).await;
    assert!(held(&state), "{state:?}");
}

async fn an_endpoint_that_is_slowed_down_keeps_what_it_is_owed_through_a_pause(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([503]);
    world.send_all(ids("e", 50)).await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(&id).await.unwrap();
    let before = world.receiver.requests().len();
    world.pass(seconds(4)).await;
    assert_eq!(world.receiver.requests().len(), before, "it is paused");
    world.receiver.respond([200]);
    endpoints.resume(&id).await.unwrap();
    world.pass_in_steps(seconds(10), 3).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

for_each_store!(
    one_request_in_twenty_or_five_that_fails_stops_nothing,
    an_endpoint_that_only_answers_503_is_slowed_down_and_then_stopped,
    a_receiver_that_asks_for_a_pause_now_and_then_is_not_left_alone_for_longer,
    a_retry_after_is_kept_to_the_second,
    an_endpoint_that_answered_another_request_meanwhile_is_not_down,
    an_endpoint_that_is_slowed_down_keeps_what_it_is_owed_through_a_pause
);
