//! After a stop no further attempt is started, not even by those that waited for a place.

use crate::{
    each_store::Store,
    world::{gate::Gate, hours, seconds},
};

/// Most connections, and how many of them endpoints can have that have not answered yet: a quarter.
const CONNECTIONS: usize = 64;
const IN_FLIGHT: usize = CONNECTIONS / 4;
const ENDPOINTS: usize = IN_FLIGHT + 10;

async fn what_waits_for_a_place_is_not_sent_after_a_stop(store: Store) {
    let world = store
        .world_with(|builder| builder.connections(CONNECTIONS).time_limit(hours(1)))
        .await;
    let (gate, url) = Gate::start().await;
    for _ in 0..ENDPOINTS {
        world
            .webhooks
            .endpoints("acme")
            .add(url.as_str())
            .await
            .unwrap();
    }
    world.send("e").await;
    gate.wait_for(IN_FLIGHT).await;
    // What is in flight is answered after the stop began, which frees the places.
    let (owed, ()) = tokio::join!(
        biased;
        world.webhooks.shutdown(seconds(10)),
        async { gate.open("e", 200) },
    );
    assert_eq!(owed.cut_off, 0);
    assert_eq!(owed.deliveries, (ENDPOINTS - IN_FLIGHT) as u64);
    assert_eq!(gate.arrived().len(), IN_FLIGHT);
}

async fn a_second_stop_tells_what_the_first_did(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    world.send("a").await;
    let first = world.webhooks.shutdown(seconds(1)).await;
    assert_eq!(first.deliveries, 1);
    assert_eq!(world.webhooks.shutdown(seconds(1)).await, first);
}

for_each_store!(
    what_waits_for_a_place_is_not_sent_after_a_stop,
    a_second_stop_tells_what_the_first_did
);
