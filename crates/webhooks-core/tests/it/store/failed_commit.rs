//! A commit that failed leaves memory as the store is: no endpoint that is paused in memory alone, no storm of
//! work.

use std::{collections::BTreeSet, time::Duration};

use webhooks_core::{
    Event, NewEndpoint, RetrySchedule,
    testing::{Answer, Receiver},
};

use crate::{
    each_store::Store,
    world::{
        World,
        fault::{Fault, Meeting},
        gate::{Gate, let_others_run},
        seconds,
        space::{is_refusal, large},
    },
};

/// How long the engine may take to answer: waiting for what is not there, or a storm of its own work, takes
/// for ever.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// What this call comes to in one commit with an event for which there is no space, and in front of it.
async fn without_space<T>(world: &World, call: impl Future<Output = T>) -> T {
    world.run_short_of_space().await;
    let release = world.hold_writer().await;
    let sent = world.webhooks.send("acme", large("large"));
    let (called, sent, ()) = tokio::join!(biased; call, sent, async { drop(release) });
    assert!(is_refusal(&sent.unwrap_err()));
    world.have_space_again().await;
    called
}

async fn a_delivery_that_could_not_be_stored_is_not_waited_for(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    let fault = Fault::plant(&world.address, "delivery", Meeting::Aborts).await;
    let event = Event::new("random_number:generate", &1).id("refused");
    world.webhooks.send("acme", event).await.unwrap_err();
    fault.mend().await;
    world.send("after").await;
    let drained = tokio::time::timeout(ANSWER_LIMIT, world.webhooks.drain()).await;
    drained.expect("nothing is held any more");
    assert_eq!(world.receiver.event_ids(), ["after"]);
}

async fn a_backlog_waits_for_space_without_a_storm_of_work(store: Store) {
    let world = store
        .world_with(|builder| builder.time_limit(seconds(2)))
        .await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([Answer::hang()]);
    // More than memory holds for one endpoint: the rest is in its lane.
    world.send_all((0..900).map(|n| format!("e{n}"))).await;
    world.send_all((900..1_400).map(|n| format!("e{n}"))).await;
    world.run_short_of_space().await;
    let refused = async {
        for number in 0..30 {
            // The first would join the lane, the second does not fit.
            let small = Event::new("random_number:generate", &1).id(format!("small{number}"));
            let events = [small, large(&format!("large{number}"))];
            let sent = world.webhooks.send_all("acme", events);
            let error = sent.await.unwrap_err();
            assert!(is_refusal(&error), "{error:?}");
        }
    };
    tokio::time::timeout(ANSWER_LIMIT, refused)
        .await
        .expect("30 refused sends take under a second each");
    world.have_space_again().await;
    world.receiver.respond([200]);
    for _ in 0..20 {
        world.pass(seconds(30)).await;
    }
    let arrived: BTreeSet<String> = world.receiver.event_ids().into_iter().collect();
    assert_eq!(arrived, (0..1_400).map(|n| format!("e{n}")).collect());
}

async fn a_pause_that_could_not_be_stored_does_not_pause(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    let paused = without_space(&world, Box::pin(endpoints.pause(&id))).await;
    assert!(paused.is_err());
    world.send("after").await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["after"]);
}

async fn an_endpoint_whose_removal_could_not_be_stored_goes_on(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send("before").await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    let removed = without_space(&world, endpoints.remove(&id)).await;
    assert!(removed.is_err());
    world.send("after").await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["before", "after"]);
}

async fn an_endpoint_whose_adding_could_not_be_stored_gets_nothing_of_another_customer(
    store: Store,
) {
    let world = store.world().await;
    let other = Receiver::start().await.unwrap();
    let endpoints = world.webhooks.endpoints("acme");
    let calls = async {
        let small = Event::new("random_number:generate", &1);
        let small = world.webhooks.send("acme", small);
        tokio::join!(biased; endpoints.add(world.receiver.url()), small)
    };
    let (added, small) = without_space(&world, calls).await;
    assert!(added.is_err() && is_refusal(&small.unwrap_err()));
    let endpoints = world.webhooks.endpoints("other");
    endpoints.add(other.url()).await.unwrap();
    let event = Event::new("random_number:generate", &1).id("theirs");
    world.webhooks.send("other", event).await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 0);
    assert_eq!(other.event_ids(), ["theirs"]);
}

async fn what_waits_for_an_endpoint_whose_removal_could_not_be_stored_is_delivered(store: Store) {
    let world = store.world().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let added = endpoints.add(NewEndpoint::new(url).in_flight(1)).await;
    let id = added.unwrap().id;
    world.send_all(["a", "b", "c"].map(String::from)).await;
    gate.wait_for(1).await;
    let removed = without_space(&world, endpoints.remove(&id)).await;
    assert!(removed.is_err());
    for id in ["a", "b", "c"] {
        gate.open(id, 200);
    }
    world.pass_in_steps(seconds(70), 3).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    assert_eq!(gate.arrived(), ["a", "b", "c"]);
}

async fn what_waits_behind_a_probe_that_was_given_up_is_not_forgotten(store: Store) {
    let world = store.world().await;
    let (gate, url) = Gate::start().await;
    let once = RetrySchedule::new([]).unwrap();
    let endpoints = world.webhooks.endpoints("acme");
    let endpoint = NewEndpoint::new(url).in_flight(1).retry(&once);
    endpoints.add(endpoint).await.unwrap();
    world.send_all(["a", "b", "c"].map(String::from)).await;
    gate.wait_for(1).await;
    gate.open("a", 429);
    world.webhooks.drain().await;
    world.clock.advance(seconds(6));
    gate.wait_for(2).await;
    world.run_short_of_space().await;
    let release = world.hold_writer().await;
    gate.open("b", 429);
    let_others_run().await;
    let sent = world.webhooks.send("acme", large("large"));
    let (sent, ()) = tokio::join!(biased; sent, async { drop(release) });
    assert!(is_refusal(&sent.unwrap_err()));
    world.have_space_again().await;
    assert_eq!(gate.arrived(), ["a", "b"]);
    gate.open("c", 200);
    world.pass_in_steps(seconds(70), 3).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    assert_eq!(gate.arrived(), ["a", "b", "c"]);
}

for_each_store!(
    a_backlog_waits_for_space_without_a_storm_of_work,
    a_pause_that_could_not_be_stored_does_not_pause,
    an_endpoint_whose_removal_could_not_be_stored_goes_on,
    an_endpoint_whose_adding_could_not_be_stored_gets_nothing_of_another_customer,
    what_waits_for_an_endpoint_whose_removal_could_not_be_stored_is_delivered,
    what_waits_behind_a_probe_that_was_given_up_is_not_forgotten
);
for_each_durable_store!(a_delivery_that_could_not_be_stored_is_not_waited_for);
