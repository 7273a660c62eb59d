//! More endpoints than memory keeps: they come and go, and nothing of what they are owed does.

use std::num::NonZeroU32;

use webhooks_core::{Event, NewEndpoint};

use crate::{
    each_store::Store,
    world::{World, seconds},
};

/// Endpoints that memory keeps in these tests.
const KEPT: usize = 4;
const CUSTOMERS: usize = 30;

async fn crowd(store: Store) -> World {
    let world = store
        .world_with(|builder| builder.endpoints_in_memory(KEPT))
        .await;
    for customer in 0..CUSTOMERS {
        let endpoints = world.webhooks.endpoints(format!("c{customer}"));
        let endpoint = NewEndpoint::new(world.receiver.url()).ordered(customer % 2 == 0);
        endpoints.add(endpoint).await.unwrap();
    }
    world
}

async fn send_to_each(world: &World, round: &str) {
    for customer in 0..CUSTOMERS {
        let event = Event::new("a", &1).id(format!("{round}{customer}"));
        let sent = world.webhooks.send(&format!("c{customer}"), event).await;
        assert_eq!(sent.unwrap().deliveries, 1);
    }
}

async fn each_gets_its_events_whether_memory_has_it_or_not(store: Store) {
    let world = crowd(store).await;
    for round in ["x", "y", "z"] {
        send_to_each(&world, round).await;
    }
    world.webhooks.drain().await;
    let mut arrived = world.receiver.event_ids();
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 3 * CUSTOMERS);
    assert_eq!(world.receiver.requests().len(), 3 * CUSTOMERS, "each once");
}

async fn what_fails_is_tried_again_though_others_came_between(store: Store) {
    let world = crowd(store).await;
    world.receiver.respond([503]);
    send_to_each(&world, "failed").await;
    world.webhooks.drain().await;
    assert_eq!(world.webhooks.pending().await.unwrap(), CUSTOMERS as u64);
    world.receiver.respond([200]);
    world.pass_in_steps(seconds(70), 3).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn a_rate_limit_is_not_forgotten(store: Store) {
    let world = crowd(store).await;
    let limited = NewEndpoint::new(world.receiver.url()).per_second(NonZeroU32::MIN);
    let endpoints = world.webhooks.endpoints("limited");
    endpoints.add(limited).await.unwrap();
    let send = async |id: &str| {
        let event = Event::new("a", &1).id(id);
        world.webhooks.send("limited", event).await.unwrap();
    };
    send("first").await;
    world.webhooks.drain().await;
    // As many as make memory drop what is idle.
    send_to_each(&world, "between").await;
    world.webhooks.drain().await;
    let before = world.receiver.requests().len();
    send("second").await;
    send_to_each(&world, "after").await;
    world.receiver.wait_for(before + CUSTOMERS).await;
    assert!(!world.receiver.event_ids().contains(&"second".to_owned()));
    world.clock.advance(seconds(1));
    world.webhooks.drain().await;
    assert!(world.receiver.event_ids().contains(&"second".to_owned()));
}

for_each_store!(
    each_gets_its_events_whether_memory_has_it_or_not,
    what_fails_is_tried_again_though_others_came_between,
    a_rate_limit_is_not_forgotten
);
