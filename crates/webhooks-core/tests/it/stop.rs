//! After a stop no further attempt is started, not even by those that waited for a place.
#![cfg(feature = "testing")]

use crate::world::{World, gate::Gate, hours, seconds};

/// Most connections, and how many of them endpoints can have that have not answered yet: a quarter.
const CONNECTIONS: usize = 64;
const IN_FLIGHT: usize = CONNECTIONS / 4;
const ENDPOINTS: usize = IN_FLIGHT + 10;

#[tokio::test]
async fn what_waits_for_a_place_is_not_sent_after_a_stop() {
    let world = World::with(|builder| builder.connections(CONNECTIONS).time_limit(hours(1))).await;
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

#[tokio::test]
async fn a_second_stop_tells_what_the_first_did() {
    let world = World::new().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    world.send("a").await;
    let first = world.webhooks.shutdown(seconds(1)).await;
    assert_eq!(first.deliveries, 1);
    assert_eq!(world.webhooks.shutdown(seconds(1)).await, first);
}

#[tokio::test]
async fn a_stop_leaves_the_database_alone_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_file(&folder.path().join("w.db")).await;
    world.endpoint(|endpoint| endpoint).await;
    world.send("a").await;
    world.webhooks.drain().await;
    // A connection that reads stays open for the next question.
    world.webhooks.deliveries("acme", "a").await.unwrap();
    world.webhooks.shutdown(seconds(5)).await;
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["w.db", "w.db-lock"]);
}
