//! A file that an older version left: brought up to date, and what it owes is delivered.
#![cfg(feature = "testing")]

use std::path::Path;

use crate::world::{World, hours, seconds};
use webhooks_core::{DeliveryState, Secret};

/// Makes a new file look as version 1 left it, with one event owed to a paused endpoint.
async fn version_1(file: &Path) -> World {
    let world = World::on_file(file).await;
    world.receiver.respond([503]);
    world
        .endpoint(|endpoint| endpoint.secret(Secret::generate()))
        .await;
    world.send("a").await;
    world.webhooks.drain().await;
    world.webhooks.shutdown(seconds(5)).await;
    rusqlite::Connection::open(file)
        .unwrap()
        .execute_batch(
            "alter table delivery drop column owed_at;
             drop index lane_due_healthy;
             drop index lane_due_trouble;
             create index lane_due on lane (due_at) where due_at is not null;
             pragma user_version = 1",
        )
        .unwrap();
    world
}

#[tokio::test]
async fn what_version_1_owed_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let old = version_1(&file).await;
    let address = format!("sqlite:{}", file.display());
    let world = World::open(old.clock, &address, |builder| builder).await;
    old.receiver.respond([200]);
    world.pass_in_steps(seconds(70), 3).await;
    let state = world.state("a").await;
    assert!(
        matches!(state, DeliveryState::Delivered { .. }),
        "{state:?}"
    );
    world.webhooks.shutdown(seconds(5)).await;
    let version: i32 = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("pragma user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 2);
}

#[tokio::test]
async fn what_version_1_owed_is_as_old_as_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let old = version_1(&file).await;
    let address = format!("sqlite:{}", file.display());
    old.clock.advance(hours(89));
    let world = World::open(old.clock, &address, |builder| builder).await;
    // Its schedule was over while the program was not running: it is given up, not begun anew.
    world.pass_in_steps(hours(1), 2).await;
    let state = world.state("a").await;
    assert!(matches!(state, DeliveryState::Ended { .. }), "{state:?}");
}
