//! Order, trouble, isolation, recovery: what a lane is for.

use std::net::SocketAddr;

use futures_util::StreamExt;
use webhooks_core::{
    ActivityKind, AddedEndpoint, DeliveryState, Event, HoldReason, NewEndpoint, Replay,
    RetrySchedule, testing::Receiver,
};

use crate::{
    each_store::Store,
    world::{World, hours, seconds},
};

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}{index}")).collect()
}

/// An endpoint at an address that refuses connections, and at which a receiver can appear later.
async fn dead_endpoint(world: &World, customer: &str) -> (SocketAddr, AddedEndpoint) {
    let address = Receiver::start().await.unwrap().address();
    let endpoints = world.webhooks.endpoints(customer);
    let added = endpoints.add(format!("http://{address}/")).await.unwrap();
    (address, added)
}

async fn an_ordered_endpoint_gets_its_events_one_at_a_time_in_commit_order(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint.ordered(true)).await;
    // More than memory holds for one endpoint.
    for batch in 0..5 {
        world.send_all(ids(&format!("b{batch}-"), 700)).await;
    }
    world.webhooks.drain().await;
    let expected: Vec<String> = (0..5)
        .flat_map(|batch| ids(&format!("b{batch}-"), 700))
        .collect();
    assert_eq!(world.receiver.event_ids(), expected);
}

async fn the_head_of_an_ordered_endpoint_holds_those_behind_it(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint.ordered(true)).await;
    world.receiver.respond_to("a", [500, 500, 200]);
    world.send_all(["a", "b", "c"].map(String::from)).await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Waiting { .. }
    ));
    let behind = world.state("b").await;
    assert!(
        matches!(
            behind,
            DeliveryState::Held {
                reason: HoldReason::BehindHead,
                next_try: Some(_)
            }
        ),
        "{behind:?}"
    );
    world.send("d").await;
    world.webhooks.drain().await;
    assert_eq!(
        world.receiver.event_ids(),
        ["a"],
        "a new event does not overtake"
    );
    world.pass(seconds(6)).await;
    assert_eq!(world.receiver.event_ids(), ["a", "a"]);
    world.pass(seconds(331)).await;
    assert_eq!(world.receiver.event_ids(), ["a", "a", "a", "b", "c", "d"]);
}

async fn a_blocked_head_can_be_skipped(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint.ordered(true)).await;
    world.receiver.respond_to("a", [500]);
    world.send_all(["a", "b"].map(String::from)).await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    assert_eq!(endpoints.skip(&id).await.unwrap().as_deref(), Some("a"));
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["a", "b"]);
    assert_eq!(
        endpoints.skip(&id).await.unwrap(),
        None,
        "nothing is blocked any more"
    );
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Ended {
            reason: webhooks_core::EndReason::Skipped,
            ..
        }
    ));
}

async fn a_head_is_not_tried_early_when_what_stands_behind_it_is_canceled(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint.ordered(true)).await;
    world.receiver.respond_to("a", [500]);
    world.send_all(["a", "b", "c"].map(String::from)).await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.cancel(&id, "b").await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["a"], "it waits for 5 s");
    endpoints.cancel(&id, "a").await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["a", "c"]);
}

async fn an_ordered_head_that_is_exhausted_lets_the_next_go_on(store: Store) {
    let world = store.world().await;
    let schedule = RetrySchedule::new([seconds(5)]).unwrap();
    world
        .endpoint(|endpoint| endpoint.ordered(true).retry(&schedule))
        .await;
    world.receiver.respond_to("a", [500]);
    world.send_all(["a", "b"].map(String::from)).await;
    world.webhooks.drain().await;
    world.pass_in_steps(seconds(6), 4).await;
    assert_eq!(world.receiver.event_ids(), ["a", "a", "b"]);
}

async fn an_endpoint_in_trouble_is_tried_with_one_delivery_and_recovers_with_all(store: Store) {
    let world = store.world().await;
    let (address, added) = dead_endpoint(&world, "acme").await;
    world.send_all(ids("e", 300)).await;
    world.webhooks.drain().await;
    let attempts = |deliveries: Vec<webhooks_core::Delivery>| -> usize {
        deliveries
            .iter()
            .map(|delivery| delivery.attempts.len())
            .sum()
    };
    let listing = |limit| {
        let endpoints = world.webhooks.endpoints("acme");
        let id = added.id.clone();
        async move {
            endpoints
                .deliveries(&id, webhooks_core::DeliveryFilter::Pending, None, limit)
                .await
                .unwrap()
                .deliveries
        }
    };
    let first = attempts(listing(500).await);
    assert!(
        first <= 8,
        "only what was in flight together was tried, not all: {first}"
    );
    for _ in 0..3 {
        world.pass(seconds(61)).await;
    }
    let later = attempts(listing(500).await);
    assert_eq!(later, first + 3, "one probe at a time");
    let receiver = Receiver::start_at(address).await.unwrap();
    world.pass_in_steps(seconds(61), 2).await;
    assert_eq!(
        receiver.requests().len(),
        300,
        "everything that waited was sent"
    );
    world.send("after").await;
    receiver.wait_for(301).await;
}

async fn a_delivery_that_goes_back_to_its_lane_is_not_announced_as_canceled(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint.in_flight(1)).await;
    world.receiver.respond([429, 200]);
    let mut activities = world.webhooks.subscribe();
    world.send_all(ids("e", 5)).await;
    world.webhooks.drain().await;
    world.pass_in_steps(seconds(61), 3).await;
    let mut attempts = 0;
    while attempts < 6 {
        let activity = activities.next().await.unwrap();
        match activity.kind {
            ActivityKind::Attempted { .. } => attempts += 1,
            ActivityKind::Ended(ending) => panic!("{:?} ended: {ending}", activity.event_id),
            _ => {}
        }
    }
}

async fn a_lone_delivery_keeps_its_own_schedule_in_trouble(store: Store) {
    let world = store.world().await;
    dead_endpoint(&world, "acme").await;
    world.send("a").await;
    world.webhooks.drain().await;
    for (wait, made) in [(6, 2), (331, 3), (1_981, 4), (7_921, 5)] {
        world.pass(seconds(wait)).await;
        assert_eq!(
            world.delivery("a").await.attempts.len(),
            made,
            "after {wait} s"
        );
    }
}

async fn an_endpoint_in_trouble_does_not_delay_another(store: Store) {
    let world = store.world().await;
    dead_endpoint(&world, "dead").await;
    world.endpoint(|endpoint| endpoint).await;
    for index in 0..200 {
        world
            .webhooks
            .send("dead", Event::new("a", &index))
            .await
            .unwrap();
        world.send(&format!("e{index}")).await;
    }
    world.receiver.wait_for(200).await;
    world.webhooks.drain().await;
    let mut arrived = world.receiver.event_ids();
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 200);
}

async fn a_resumed_endpoint_does_not_wait_for_those_that_hang(store: Store) {
    // Endpoints in trouble that are tried at once, at most.
    const PROBES: usize = 128;
    let world = store
        .world_with(|builder| builder.time_limit(hours(1)))
        .await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(&id).await.unwrap();
    world.send("a").await;
    let dead = Receiver::start().await.unwrap();
    dead.respond([429]);
    for index in 0..PROBES + 10 {
        let customer = format!("dead{index}");
        let endpoints = world.webhooks.endpoints(&customer);
        endpoints.add(dead.url()).await.unwrap();
        let sent = world.webhooks.send(&customer, Event::new("a", &1)).await;
        sent.unwrap();
    }
    world.webhooks.drain().await;
    dead.respond([webhooks_core::testing::Answer::hang()]);
    world.clock.advance(seconds(10));
    dead.wait_for(PROBES + 10 + PROBES).await;
    endpoints.resume(&id).await.unwrap();
    world.receiver.wait_for(1).await;
}

async fn one_event_that_is_refused_does_not_hold_the_others(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond_to("poison", [400]);
    world.send("poison").await;
    world.webhooks.drain().await;
    world.send_all(ids("e", 20)).await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 21);
    assert!(matches!(
        world.state("poison").await,
        DeliveryState::Waiting { .. }
    ));
}

async fn what_memory_has_no_room_for_is_delivered_from_the_store(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint.in_flight(2)).await;
    for batch in 0..4 {
        world.send_all(ids(&format!("b{batch}-"), 1_000)).await;
    }
    world.webhooks.drain().await;
    let mut arrived = world.receiver.event_ids();
    assert_eq!(arrived.len(), 4_000);
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 4_000, "each once");
}

async fn retry_after_slows_the_whole_endpoint(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([
        webhooks_core::testing::Answer::status(429).header("retry-after", "600"),
        200.into(),
    ]);
    world.send("a").await;
    world.webhooks.drain().await;
    world.send("b").await;
    world.pass(seconds(500)).await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    assert!(matches!(
        world.state("b").await,
        DeliveryState::Held {
            reason: HoldReason::Trouble,
            ..
        }
    ));
    world.pass(seconds(170)).await;
    let mut arrived = world.receiver.event_ids();
    arrived.sort();
    assert_eq!(arrived, ["a", "a", "b"]);
}

async fn what_waits_longer_than_its_schedule_lasts_is_tried_before_it_expires(store: Store) {
    let world = store.world().await;
    dead_endpoint(&world, "acme").await;
    world.send_all(ids("e", 20)).await;
    world.webhooks.drain().await;
    world.pass(hours(90)).await;
    world.pass_in_steps(seconds(61), 30).await;
    for id in ids("e", 20) {
        let delivery = world.delivery(&id).await;
        let expired = matches!(
            delivery.state,
            DeliveryState::Ended {
                reason: webhooks_core::EndReason::Expired,
                ..
            }
        );
        assert!(expired && !delivery.attempts.is_empty(), "{delivery:?}");
    }
}

async fn what_is_sent_again_after_a_long_failure_is_tried_and_not_expired(store: Store) {
    let world = store
        .world_with(|builder| builder.disable_after(None))
        .await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([503]);
    world.send_all(["a", "b"].map(String::from)).await;
    world.webhooks.drain().await;
    // Longer than the schedule lasts: both are given up, and the endpoint still fails.
    world.pass(hours(90)).await;
    world.pass_in_steps(hours(1), 3).await;
    let ended = |state| matches!(state, DeliveryState::Ended { .. });
    assert!(ended(world.state("a").await) && ended(world.state("b").await));
    world.send("last").await;
    world.webhooks.drain().await;
    let before = world.receiver.requests().len();
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.resend(&id, "a").await.unwrap();
    let replay = Replay::default();
    assert_eq!(endpoints.replay(&id, replay).await.unwrap(), 1, "b");
    world.receiver.respond([200]);
    world.pass_in_steps(seconds(70), 5).await;
    let mut arrived = world.receiver.event_ids().split_off(before);
    arrived.sort();
    assert_eq!(arrived, ["a", "b", "last"]);
    for id in ["a", "b"] {
        let state = world.state(id).await;
        assert!(
            matches!(state, DeliveryState::Delivered { .. }),
            "{state:?}"
        );
    }
}

async fn a_rate_limit_is_kept(store: Store) {
    let world = store.world().await;
    world
        .endpoint(|endpoint| endpoint.per_second(std::num::NonZeroU32::new(2).unwrap()))
        .await;
    world.send_all(ids("e", 5)).await;
    world.receiver.wait_for(1).await;
    for _ in 0..4 {
        // Half a second between two requests.
        let before = world.receiver.requests().len();
        world.clock.advance(std::time::Duration::from_millis(400));
        tokio::task::yield_now().await;
        assert_eq!(world.receiver.requests().len(), before, "too soon");
        world.clock.advance(std::time::Duration::from_millis(101));
        world.receiver.wait_for(before + 1).await;
    }
}

async fn requests_in_flight_have_a_limit(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint.in_flight(3)).await;
    world
        .receiver
        .respond([webhooks_core::testing::Answer::hang()]);
    world.send_all(ids("e", 50)).await;
    world.receiver.wait_for(3).await;
    // A fourth would come at once, were it allowed.
    world
        .webhooks
        .send("acme", Event::new("a", &1))
        .await
        .unwrap();
    assert_eq!(world.receiver.requests().len(), 3);
}

async fn endpoints_of_one_customer_fail_apart(store: Store) {
    let world = store.world().await;
    let other = Receiver::start().await.unwrap();
    other.respond([500]);
    world.endpoint(|endpoint| endpoint).await;
    world
        .webhooks
        .endpoints("acme")
        .add(NewEndpoint::new(other.url()))
        .await
        .unwrap();
    world.send("a").await;
    world.webhooks.drain().await;
    world.pass(seconds(6)).await;
    assert_eq!(
        world.receiver.requests().len(),
        1,
        "a failing sibling re-sends nothing here"
    );
    assert_eq!(other.requests().len(), 2);
}

for_each_store!(
    an_ordered_endpoint_gets_its_events_one_at_a_time_in_commit_order,
    the_head_of_an_ordered_endpoint_holds_those_behind_it,
    a_blocked_head_can_be_skipped,
    a_head_is_not_tried_early_when_what_stands_behind_it_is_canceled,
    an_ordered_head_that_is_exhausted_lets_the_next_go_on,
    an_endpoint_in_trouble_is_tried_with_one_delivery_and_recovers_with_all,
    a_delivery_that_goes_back_to_its_lane_is_not_announced_as_canceled,
    a_lone_delivery_keeps_its_own_schedule_in_trouble,
    an_endpoint_in_trouble_does_not_delay_another,
    a_resumed_endpoint_does_not_wait_for_those_that_hang,
    one_event_that_is_refused_does_not_hold_the_others,
    what_memory_has_no_room_for_is_delivered_from_the_store,
    retry_after_slows_the_whole_endpoint,
    what_waits_longer_than_its_schedule_lasts_is_tried_before_it_expires,
    what_is_sent_again_after_a_long_failure_is_tried_and_not_expired,
    a_rate_limit_is_kept,
    requests_in_flight_have_a_limit,
    endpoints_of_one_customer_fail_apart
);
