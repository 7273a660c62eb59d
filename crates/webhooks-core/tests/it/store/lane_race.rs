//! What happens while the writer is busy, or cannot store it: no lane is left for good, none is overtaken.

use std::sync::Arc;

use futures_util::StreamExt;
use webhooks_core::{
    ActivityKind, DeliveryState, EndpointId, EndpointState, Event, NewEndpoint, RetrySchedule,
};

use crate::{
    each_store::Store,
    world::{
        World,
        fault::{Fault, Meeting},
        gate::{Gate, let_others_run},
        seconds,
    },
};

async fn gated(world: &World) -> (Arc<Gate>, EndpointId) {
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let id = endpoints.add(NewEndpoint::new(url)).await.unwrap().id;
    (gate, id)
}

async fn failures_that_are_not_stored_yet_are_found_when_they_are_due(store: Store) {
    let world = store.world().await;
    let (gate, id) = gated(&world).await;
    let ids = ["success", "first", "second", "third"];
    world.send_all(ids.map(String::from)).await;
    gate.wait_for(4).await;
    // The endpoint is in trouble, with nothing in its lane.
    gate.open("first", 429);
    while !matches!(
        world.state("first").await,
        DeliveryState::Waiting { .. } | DeliveryState::Held { .. }
    ) {
        tokio::task::yield_now().await;
    }
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.cancel(&id, "first").await.unwrap();
    // The success has the lane looked at; before the writer comes to that, others fail.
    let before = world.hold_writer().await;
    let (held, release) = world.hold_writer_in_turn().await;
    let mut activities = world.webhooks.subscribe();
    gate.open("success", 200);
    let_others_run().await;
    drop(before);
    held.await.unwrap();
    gate.open("second", 429);
    gate.open("third", 429);
    while !matches!(
        activities.next().await.unwrap().kind,
        ActivityKind::EndpointInTrouble { .. }
    ) {}
    let_others_run().await;
    drop(release);
    world.webhooks.drain().await;
    gate.open("second", 200);
    gate.open("third", 200);
    world.pass_in_steps(seconds(70), 10).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn a_probe_that_is_canceled_before_it_is_sent_does_not_take_its_lane_with_it(store: Store) {
    let world = store.world().await;
    let (gate, id) = gated(&world).await;
    world.send_all(["slow", "failed"].map(String::from)).await;
    gate.wait_for(2).await;
    gate.open("failed", 429);
    while !matches!(
        world.state("failed").await,
        DeliveryState::Waiting { .. } | DeliveryState::Held { .. }
    ) {
        tokio::task::yield_now().await;
    }
    world.send_all(["probe", "behind"].map(String::from)).await;
    // The probe waits in memory, since the slow request has the only place.
    world.clock.advance(seconds(6));
    let endpoints = world.webhooks.endpoints("acme");
    while !matches!(
        world.state("probe").await,
        DeliveryState::InFlight | DeliveryState::Waiting { .. }
    ) {
        tokio::task::yield_now().await;
    }
    endpoints.cancel(&id, "probe").await.unwrap();
    for id in ["slow", "failed", "behind"] {
        gate.open(id, 200);
    }
    world.pass_in_steps(seconds(70), 10).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn a_last_attempt_that_cannot_be_stored_at_once_does_not_hold_its_lane(store: Store) {
    let once = RetrySchedule::new([]).unwrap();
    let world = store.world_with(|builder| builder.retry(once)).await;
    let (gate, _) = gated(&world).await;
    gate.open("first", 429);
    world.send("first").await;
    world.webhooks.drain().await;
    world.send_all(["probe", "behind"].map(String::from)).await;
    world.clock.advance(seconds(6));
    gate.wait_for(2).await;
    let fault = Fault::plant(&world.address, "attempt", Meeting::Aborts).await;
    gate.open("probe", 429);
    fault.is_met(&world).await;
    fault.mend().await;
    gate.open("behind", 200);
    world.pass_in_steps(seconds(70), 3).await;
    let state = world.state("behind").await;
    assert!(
        matches!(state, DeliveryState::Delivered { .. }),
        "{state:?}"
    );
}

async fn a_410_that_cannot_be_stored_at_once_disables_all_the_same(store: Store) {
    let world = store.world().await;
    let (gate, id) = gated(&world).await;
    world.send("gone").await;
    gate.wait_for(1).await;
    let fault = Fault::plant(&world.address, "attempt", Meeting::RollsBack).await;
    gate.open("gone", 410);
    fault.is_met(&world).await;
    fault.mend().await;
    world.webhooks.drain().await;
    let endpoint = world.webhooks.endpoints("acme").get(&id).await.unwrap();
    assert!(
        matches!(endpoint.state, EndpointState::Disabled { .. }),
        "{endpoint:?}"
    );
}

async fn a_failure_before_a_lane_is_looked_at_again_is_waited_out(store: Store) {
    let world = store.world().await;
    let (gate, _) = gated(&world).await;
    let ids = ["success", "first", "second"];
    world.send_all(ids.map(String::from)).await;
    gate.wait_for(3).await;
    gate.open("first", 429);
    while !matches!(world.state("first").await, DeliveryState::Waiting { .. }) {
        tokio::task::yield_now().await;
    }
    world.send("behind").await;
    gate.open("behind", 200);
    // The success has the lane looked at; before the writer comes to that, another fails.
    let release = world.hold_writer().await;
    let mut activities = world.webhooks.subscribe();
    gate.open("success", 200);
    let_others_run().await;
    gate.open("second", 429);
    while !matches!(
        activities.next().await.unwrap().kind,
        ActivityKind::EndpointInTrouble { .. }
    ) {}
    let_others_run().await;
    drop(release);
    world.webhooks.drain().await;
    assert_eq!(
        gate.arrived().len(),
        3,
        "the endpoint is left alone for 5 s"
    );
    gate.open("first", 200);
    gate.open("second", 200);
    world.pass_in_steps(seconds(6), 3).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    assert_eq!(gate.arrived().len(), 6);
}

async fn a_head_that_fails_while_more_is_loaded_is_not_overtaken(store: Store) {
    /// More than a lane loads at first.
    const EVENTS: usize = 1_500;
    /// Waiting in memory when it loads more.
    const LEFT: usize = 64;
    let world = store.world().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let endpoint = NewEndpoint::new(url).ordered(true);
    let id = endpoints.add(endpoint).await.unwrap().id;
    let ids: Vec<String> = (0..EVENTS).map(|n| format!("e{n}")).collect();
    endpoints.pause(&id).await.unwrap();
    for some in ids.chunks(500) {
        world.send_all(some.to_vec()).await;
    }
    endpoints.resume(&id).await.unwrap();
    gate.wait_for(1).await;
    let loaded = store.rows(&world, "delivery where claim is not null").await;
    assert!(loaded < EVENTS, "all are loaded");
    // This one has more loaded when it is taken; before the writer comes to that, it fails.
    let failing = loaded - 1 - LEFT;
    for id in &ids[..failing - 1] {
        gate.open(id, 200);
    }
    gate.wait_for(failing).await;
    let before = world.hold_writer().await;
    let (held, release) = world.hold_writer_in_turn().await;
    gate.open(&ids[failing - 1], 200);
    gate.wait_for(failing + 1).await;
    drop(before);
    held.await.unwrap();
    let mut activities = world.webhooks.subscribe();
    gate.open(&ids[failing], 429);
    while !matches!(
        activities.next().await.unwrap().kind,
        ActivityKind::EndpointInTrouble { .. }
    ) {}
    let_others_run().await;
    drop(release);
    world.webhooks.pending().await.unwrap();
    for id in &ids {
        gate.open(id, 200);
    }
    world.pass_in_steps(seconds(70), 3).await;
    let mut expected = ids.clone();
    expected.insert(failing, ids[failing].clone());
    assert_eq!(gate.arrived(), expected);
}

async fn a_pause_that_ends_in_the_commit_that_it_began_in_keeps_the_order(store: Store) {
    let world = store.world().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let added = endpoints.add(NewEndpoint::new(url).ordered(true)).await;
    let id = added.unwrap().id;
    world.send_all(["a", "b", "c"].map(String::from)).await;
    gate.wait_for(1).await;
    let release = world.hold_writer().await;
    let event = Event::new("random_number:generate", &1).id("d");
    let (sent, paused, resumed, ()) = tokio::join!(
        biased;
        world.webhooks.send("acme", event),
        endpoints.pause(&id),
        endpoints.resume(&id),
        async { drop(release) },
    );
    assert!(sent.is_ok() && paused.is_ok() && resumed.is_ok());
    for id in ["a", "b", "c", "d"] {
        gate.open(id, 200);
    }
    world.pass_in_steps(seconds(70), 3).await;
    assert_eq!(gate.arrived(), ["a", "b", "c", "d"]);
}

for_each_store!(
    failures_that_are_not_stored_yet_are_found_when_they_are_due,
    a_probe_that_is_canceled_before_it_is_sent_does_not_take_its_lane_with_it,
    a_failure_before_a_lane_is_looked_at_again_is_waited_out,
    a_head_that_fails_while_more_is_loaded_is_not_overtaken,
    a_pause_that_ends_in_the_commit_that_it_began_in_keeps_the_order
);
for_each_durable_store!(
    a_last_attempt_that_cannot_be_stored_at_once_does_not_hold_its_lane,
    a_410_that_cannot_be_stored_at_once_disables_all_the_same
);
