//! A wall clock that is set: SQLite's store keeps by how much, so that the next start knows. Postgres
//! follows the database's clock, for which the clock of a test stands.
#![cfg(feature = "testing")]

use std::sync::Arc;

use webhooks_core::Event;

use crate::{
    each_store::{Database, Store},
    store::{
        clock_jump::{HOUR_MS, notice},
        downtime::{Engine, expired, states},
    },
    world::{World, builder, gate::let_others_run, seconds},
};

fn stored_offset(database: &Database) -> i64 {
    let file = database.address.strip_prefix("sqlite:").unwrap();
    let connection = rusqlite::Connection::open(file).unwrap();
    let select = "select value from webhooks_setting where name = 'offset'";
    connection.query_row(select, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_jump_is_stored_with_the_next_commit_and_makes_no_retry_early() {
    for jump_ms in [3_600_000, 96 * 3_600_000, -3_600_000] {
        let engine = Engine::new(Store::SqliteFile).await;
        let webhooks = engine.with_events().await;
        engine.pass_minutes(&webhooks, 3).await;
        let before = states(&webhooks).await.1;
        engine.clock.jump_wall(jump_ms);
        // For another customer, whom it does not concern.
        webhooks.send("other", Event::new("a", &1)).await.unwrap();
        assert_eq!(stored_offset(&engine.database), -jump_ms);
        // It ends without a shutdown.
        drop(webhooks);
        let webhooks = engine.open().await;
        webhooks.drain().await;
        let (states, attempts) = states(&webhooks).await;
        assert_eq!(expired(&states), 0, "after {jump_ms} ms");
        assert!(attempts <= before + 1, "{before}, then {attempts}");
    }
}

#[tokio::test]
async fn a_jump_is_noticed_within_a_second_though_nothing_happens() {
    let engine = Engine::new(Store::SqliteFile).await;
    let webhooks = engine.open().await;
    webhooks.drain().await;
    engine.clock.jump_wall(3_600_000);
    // The watch may be in the middle of its second.
    for _ in 0..2 {
        engine.clock.advance(seconds(1));
        // The writer is a thread of its own.
        for _ in 0..100 {
            let_others_run().await;
            if stored_offset(&engine.database) != 0 {
                return;
            }
        }
    }
    panic!("it was not noticed");
}

#[tokio::test]
async fn a_restart_after_a_jump_goes_on_in_time() {
    for jump_ms in [24 * HOUR_MS, -24 * HOUR_MS] {
        let Database { address, .. } = &Store::SqliteFile.database();
        let world = World::open(Arc::default(), address, |builder| builder).await;
        world.endpoint(|endpoint| endpoint).await;
        world.receiver.respond([500, 500, 200]);
        world.send("e").await;
        world.webhooks.drain().await;
        world.pass(seconds(6)).await;
        world.clock.jump_wall(jump_ms);
        notice(&world).await;
        world.webhooks.shutdown(seconds(5)).await;
        let webhooks = builder(&world.clock).open(address).await.unwrap();
        webhooks.drain().await;
        assert_eq!(
            world.receiver.requests().len(),
            2,
            "no storm after {jump_ms} ms"
        );
        world.clock.advance(seconds(320));
        webhooks.drain().await;
        assert_eq!(
            world.receiver.requests().len(),
            3,
            "no stall after {jump_ms} ms"
        );
    }
}

#[tokio::test]
async fn a_restart_before_the_jump_was_noticed_goes_on_in_time() {
    for jump_ms in [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS] {
        let Database { address, .. } = &Store::SqliteFile.database();
        let world = World::open(Arc::default(), address, |builder| builder).await;
        world.endpoint(|endpoint| endpoint).await;
        world.receiver.respond([500, 500, 200]);
        world.send("e").await;
        world.webhooks.drain().await;
        world.pass(seconds(6)).await;
        world.clock.jump_wall(jump_ms);
        world.webhooks.shutdown(seconds(5)).await;
        let webhooks = builder(&world.clock).open(address).await.unwrap();
        webhooks.drain().await;
        assert_eq!(
            world.receiver.requests().len(),
            2,
            "no storm after {jump_ms} ms"
        );
        world.clock.advance(seconds(331));
        webhooks.drain().await;
        assert_eq!(
            world.receiver.requests().len(),
            3,
            "no stall after {jump_ms} ms"
        );
    }
}
