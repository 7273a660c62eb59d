//! Many endpoints that are slow or hang, beside one that is well: it does not wait for them.

use std::{collections::HashSet, time::Duration};

use webhooks_core::{
    Event,
    testing::{Answer, Receiver},
};

use crate::{
    each_store::Store,
    world::{World, gate::let_others_run, hours, seconds},
};

/// More than there are places, at 8 requests an endpoint at once.
const CROWD: usize = 200;
const EACH: usize = 12;

async fn send_to_crowd(world: &World, round: &str, events: usize) {
    for number in 0..CROWD {
        let events =
            (0..events).map(|index| Event::new("a", &1).id(format!("{round}{number}-{index}")));
        let customer = format!("c{number}");
        world.webhooks.send_all(&customer, events).await.unwrap();
    }
}

/// An engine that waits for answers longer than the test lasts.
async fn patient_world(store: Store) -> World {
    store
        .world_with(|builder| builder.time_limit(hours(1)))
        .await
}

/// A crowd of endpoints that are well.
async fn crowd(world: &World) -> Receiver {
    let crowd = Receiver::start().await.unwrap();
    for number in 0..CROWD {
        let endpoints = world.webhooks.endpoints(format!("c{number}"));
        endpoints.add(crowd.url()).await.unwrap();
    }
    send_to_crowd(world, "well", EACH).await;
    world.webhooks.drain().await;
    world.clock.advance(seconds(1));
    crowd
}

/// They hang from now on, and are owed events.
async fn begin_to_hang(world: &World, crowd: &Receiver) {
    crowd.respond([Answer::hang()]);
    send_to_crowd(world, "hangs", EACH).await;
}

/// Of those that hang, how many have a request.
fn hanging(crowd: &Receiver) -> usize {
    let ids = crowd.event_ids();
    let numbers = ids.iter().filter_map(|id| id.strip_prefix("hangs"));
    let customers: HashSet<_> = numbers.filter_map(|id| id.split('-').next()).collect();
    customers.len()
}

async fn endpoints_that_begin_to_hang_do_not_hold_up_one_that_answers(store: Store) {
    let world = patient_world(store).await;
    let crowd = crowd(&world).await;
    world.endpoint(|endpoint| endpoint).await;
    world.send_all((0..20).map(|n| format!("before{n}"))).await;
    world.webhooks.drain().await;
    begin_to_hang(&world, &crowd).await;
    // Time does not pass, so that every request which hangs keeps its place.
    for number in 0..50 {
        world.send(&format!("after{number}")).await;
        world.receiver.wait_for(20 + number + 1).await;
    }
    assert!(crowd.requests().len() > CROWD * EACH, "they hang");
}

async fn a_new_endpoint_waits_for_those_that_hang_no_longer_than_a_place_is_held(store: Store) {
    let world = patient_world(store).await;
    let crowd = crowd(&world).await;
    begin_to_hang(&world, &crowd).await;
    // Everybody who hangs has the request by which that is found out.
    while hanging(&crowd) < CROWD {
        world.clock.advance(Duration::from_millis(250));
        let_others_run().await;
    }
    world.endpoint(|endpoint| endpoint).await;
    world.send("new").await;
    world.clock.advance(Duration::from_millis(250));
    world.receiver.wait_for(1).await;
}

for_each_store!(
    endpoints_that_begin_to_hang_do_not_hold_up_one_that_answers,
    a_new_endpoint_waits_for_those_that_hang_no_longer_than_a_place_is_held
);
