//! What the log says while the disk is full: enough to know, and no more than that.
#![cfg(feature = "testing")]

use crate::world::{World, log::Log, seconds};
use webhooks_core::Event;

/// Large enough that a nearly full disk refuses it.
async fn refused_sends(world: &World, count: usize) {
    for _ in 0..count {
        let event = Event::new("a", &"x".repeat(200_000));
        world.webhooks.send("acme", event).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_full_disk_is_said_once_in_ten_seconds_and_its_end_too() {
    let log = Log::of_process();
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_file(&folder.path().join("w.db")).await;
    world.set_pages(60).await;
    refused_sends(&world, 10).await;
    assert_eq!(log.refusals_said(1..=10), [1]);
    world.clock.advance(seconds(11));
    refused_sends(&world, 10).await;
    assert_eq!(log.refusals_said(1..=20), [1, 11]);
    world.set_pages(100_000).await;
    world.send("after").await;
    assert_eq!(log.stored_again(20), 1);
}
