//! Canceling and skipping while requests are in flight: what is taken away is what was meant.

use webhooks_core::{DeliveryState, EndpointId, HoldReason, NewEndpoint};

use crate::{
    each_store::Store,
    world::{World, gate::Gate, seconds},
};

async fn gated(
    world: &World,
    change: impl FnOnce(NewEndpoint) -> NewEndpoint,
) -> (std::sync::Arc<Gate>, EndpointId) {
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let added = endpoints.add(change(NewEndpoint::new(url))).await;
    (gate, added.unwrap().id)
}

async fn what_is_canceled_in_flight_and_sent_again_at_once_is_sent_again(store: Store) {
    let world = store.world().await;
    let (gate, id) = gated(&world, |endpoint| endpoint.in_flight(1)).await;
    world.send("a").await;
    gate.wait_for(1).await;
    let endpoints = world.webhooks.endpoints("acme");
    let release = world.hold_writer().await;
    let (canceled, resent, ()) = tokio::join!(
        biased;
        endpoints.cancel(&id, "a"),
        endpoints.resend(&id, "a"),
        async { drop(release) },
    );
    assert!(canceled.unwrap(), "it is in flight");
    resent.unwrap();
    gate.open("a", 200);
    world.pass_in_steps(seconds(70), 3).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    assert_eq!(gate.arrived(), ["a", "a"]);
}

async fn a_head_is_skipped_also_while_it_is_tried_again(store: Store) {
    let world = store.world().await;
    let (gate, id) = gated(&world, |endpoint| endpoint.ordered(true)).await;
    world.send_all(["a", "b"].map(String::from)).await;
    gate.wait_for(1).await;
    let endpoints = world.webhooks.endpoints("acme");
    assert_eq!(endpoints.skip(&id).await.unwrap(), None, "it is on its way");
    gate.open("a", 500);
    world.webhooks.drain().await;
    gate.close("a");
    world.clock.advance(seconds(6));
    gate.wait_for(2).await;
    let skipped = endpoints.skip(&id).await.unwrap();
    assert_eq!(skipped.as_deref(), Some("a"), "not what stands behind it");
    gate.open("a", 500);
    gate.open("b", 200);
    world.webhooks.drain().await;
    assert_eq!(gate.arrived(), ["a", "a", "b"]);
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn a_head_that_an_older_event_is_sent_before_again_stands_behind_it(store: Store) {
    let world = store.world().await;
    let (gate, id) = gated(&world, |endpoint| endpoint.ordered(true)).await;
    gate.open("old", 200);
    world.send("old").await;
    world.webhooks.drain().await;
    gate.close("old");
    gate.open("head", 500);
    world.send("head").await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.resend(&id, "old").await.unwrap();
    world.clock.advance(seconds(6));
    gate.wait_for(3).await;
    assert_eq!(gate.arrived(), ["old", "head", "old"]);
    let state = world.state("head").await;
    assert_eq!(
        state,
        DeliveryState::Held {
            reason: HoldReason::BehindHead,
            next_try: None
        }
    );
}

for_each_store!(
    what_is_canceled_in_flight_and_sent_again_at_once_is_sent_again,
    a_head_is_skipped_also_while_it_is_tried_again,
    a_head_that_an_older_event_is_sent_before_again_stands_behind_it
);
