//! After a stop no further attempt is started, not even by those that waited for a place.
#![cfg(feature = "testing")]

use crate::world::{World, seconds};
use webhooks_core::testing::Answer;

/// More endpoints than the engine has requests in flight (512).
const ENDPOINTS: usize = 540;

#[tokio::test]
async fn what_waits_for_a_place_is_not_sent_after_a_stop() {
    let world = World::with(|builder| builder.time_limit(seconds(3))).await;
    world.receiver.respond([Answer::hang()]);
    for _ in 0..ENDPOINTS {
        world.endpoint(|endpoint| endpoint).await;
    }
    world.send("e").await;
    world.receiver.wait_for(512).await;
    let owed = world.webhooks.shutdown(seconds(10)).await;
    assert_eq!(owed.cut_off, 0);
    assert_eq!(owed.deliveries, ENDPOINTS as u64);
    assert_eq!(world.receiver.requests().len(), 512);
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
