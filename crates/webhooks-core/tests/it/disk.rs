//! A full disk, and files that are not what they should be.
#![cfg(feature = "testing")]

use std::{path::Path, sync::Arc};

use crate::world::{World, builder, seconds};
use webhooks_core::{
    Event, OpenError, SendError, StoreError, TransactionError, testing::ManualClock,
};

#[tokio::test]
async fn a_full_disk_refuses_sends_and_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_file(&folder.path().join("w.db")).await;
    world.endpoint(|endpoint| endpoint).await;
    world.set_pages(100).await;
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for index in 0..400 {
        let id = format!("e{index}");
        let event = Event::new("a", &"x".repeat(2_000)).id(&id);
        match world.webhooks.send("acme", event).await {
            Ok(_) => acknowledged.push(id),
            Err(SendError::Store(StoreError::Full | StoreError::RolledBack)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        refused > 0 && !acknowledged.is_empty(),
        "{refused} refused, {} taken",
        acknowledged.len()
    );
    let said = StoreError::Full.to_string();
    assert!(said.contains("Free some space"), "{said}");
    // Outcomes that could not be recorded wait for space; then everything is done and known.
    world.set_pages(100_000).await;
    world.webhooks.drain().await;
    let arrived = world.receiver.event_ids();
    for id in &acknowledged {
        assert!(
            arrived.contains(id),
            "{id} was acknowledged and did not arrive"
        );
    }
    for id in &arrived {
        assert!(
            acknowledged.contains(id),
            "{id} arrived though its send was refused"
        );
    }
    world.send("after").await;
    world.webhooks.drain().await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_transaction_on_a_full_disk_is_refused_whole_and_so_is_what_was_batched_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_file(&folder.path().join("w.db")).await;
    world.endpoint(|endpoint| endpoint).await;
    world.set_pages(60).await;
    let big = world
        .webhooks
        .transaction(|tx| -> Result<_, TransactionError> {
            tx.execute("create table big (bytes blob)", [])?;
            // An app that goes on after its statement failed must not get half of it stored.
            let _ = tx.execute("insert into big values (zeroblob(4000000))", []);
            let _ = tx.send("acme", Event::new("a", &1).id("inside"));
            Ok(())
        });
    let beside = world
        .webhooks
        .send("acme", Event::new("a", &1).id("beside"));
    let (big, beside) = tokio::join!(big, beside);
    world.set_pages(100_000).await;
    world.webhooks.drain().await;
    let arrived = world.receiver.event_ids();
    assert_eq!(
        arrived.contains(&"inside".to_owned()),
        big.is_ok(),
        "{big:?}"
    );
    assert_eq!(
        arrived.contains(&"beside".to_owned()),
        beside.is_ok(),
        "{beside:?}"
    );
    assert!(matches!(big, Err(TransactionError::Store(_))), "{big:?}");
}

#[tokio::test]
async fn a_stop_ends_while_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_file(&folder.path().join("w.db")).await;
    world.endpoint(|endpoint| endpoint).await;
    world.set_pages(60).await;
    for _ in 0..200 {
        // Refused ones are what this is about.
        let _ = world
            .webhooks
            .send("acme", Event::new("a", &"x".repeat(2_000)))
            .await;
    }
    world.webhooks.shutdown(seconds(1)).await;
}

async fn refusal(file: &Path) -> OpenError {
    let before = std::fs::read(file).unwrap();
    let refused = builder(&Arc::<ManualClock>::default())
        .open(&format!("sqlite:{}", file.display()))
        .await
        .unwrap_err();
    assert_eq!(
        std::fs::read(file).unwrap(),
        before,
        "the file was changed: {refused}"
    );
    refused
}

/// A healthy file with some events in it, closed.
async fn healthy(file: &Path) {
    let world = World::on_file(file).await;
    world.endpoint(|endpoint| endpoint).await;
    world
        .send_all((0..200).map(|index| format!("e{index}")))
        .await;
    world.webhooks.drain().await;
    world.webhooks.shutdown(seconds(5)).await;
}

#[tokio::test]
async fn files_that_are_not_ours_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let random = folder.path().join("random");
    std::fs::write(
        &random,
        (0..100_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect::<Vec<_>>(),
    )
    .unwrap();
    assert!(matches!(refusal(&random).await, OpenError::Damaged { .. }));
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "this is not a database, but somebody's notes, and long enough to look at",
    )
    .unwrap();
    assert!(matches!(refusal(&text).await, OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    healthy(&file).await;
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch("pragma journal_mode = delete; update webhooks_schema set version = 999")
        .unwrap();
    drop(connection);
    let refused = refusal(&file).await;
    assert!(
        matches!(refused, OpenError::Newer { found: 999, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_that_was_cut_short_or_overwritten_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    healthy(&file).await;
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(refusal(&file).await, OpenError::Damaged { .. }));
    let mut overwritten = whole;
    let page = 4096;
    for byte in &mut overwritten[page..page * 12] {
        *byte = 0xa5;
    }
    std::fs::write(&file, overwritten).unwrap();
    assert!(matches!(refusal(&file).await, OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_folder_that_is_not_there_and_an_address_that_is_none_are_named() {
    let open = |address: &'static str| async move {
        builder(&Arc::<ManualClock>::default())
            .open(address)
            .await
            .unwrap_err()
            .to_string()
    };
    let missing = open("sqlite:/no/such/folder/w.db").await;
    assert!(missing.starts_with("/no/such/folder/w.db: "), "{missing}");
    assert!(
        missing.contains("there is no folder /no/such/folder; create it first"),
        "{missing}"
    );
    let options = open("sqlite:w.db?mode=ro").await;
    assert!(options.contains("without options"), "{options}");
    let unknown = open("mysql://app:secret@localhost/shop").await;
    assert!(unknown.contains("use sqlite:<file>"), "{unknown}");
    assert!(!unknown.contains("secret"), "{unknown}");
}
