//! What only a store in a file has: locks, tables to look into.
#![cfg(feature = "testing")]

use rusqlite::Connection;
use webhooks_core::{DeliveryState, OpenError, testing::Answer};

use crate::world::{World, builder, seconds};

#[tokio::test]
async fn a_second_process_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    let refused = builder(&world.clock)
        .open(&format!("sqlite:{}", file.display()))
        .await
        .unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert!(
        refused
            .to_string()
            .contains("is already in use by another process"),
        "{refused}"
    );
}

#[tokio::test]
async fn nothing_of_the_file_is_held_while_a_request_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([Answer::hang()]);
    world.send("hangs").await;
    world.receiver.wait_for(1).await;
    let outside = Connection::open(&file).unwrap();
    // It would find a reader as well as a writer.
    let busy: i64 = outside
        .query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0);
    outside
        .execute_batch("begin immediate; create table of_an_app (number integer); commit")
        .unwrap();
    assert_eq!(world.state("hangs").await, DeliveryState::InFlight);
}

#[tokio::test]
async fn hot_tables_have_no_foreign_keys_and_keep_nothing_that_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    world.endpoint(|endpoint| endpoint).await;
    world.send("done").await;
    world.webhooks.drain().await;
    let outside = Connection::open(&file).unwrap();
    let count = |sql: &str| {
        outside
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    for table in ["event", "delivery", "attempt"] {
        let keys = format!("select count(*) from pragma_foreign_key_list('webhooks_{table}')");
        assert_eq!(count(&keys), 0, "{table}");
        let triggers = format!(
            "select count(*) from sqlite_schema where type = 'trigger' and tbl_name = 'webhooks_{table}'"
        );
        assert_eq!(count(&triggers), 0, "{table}");
    }
    assert_eq!(
        count("select count(*) from webhooks_attempt"),
        1,
        "it was made"
    );
    assert_eq!(count("select count(*) from webhooks_delivery"), 0);
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
