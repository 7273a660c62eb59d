//! Running it: backups, copies of a quiet file, a deployment that overlaps, whose files they are.
#![cfg(feature = "testing")]

use std::{path::Path, sync::Arc, time::Duration};

use crate::world::{World, builder, seconds};
use webhooks_core::{BackupError, DeliveryState, Event, OpenError};

/// How long a test waits for what the engine does by itself.
const PATIENCE: Duration = Duration::from_secs(30);

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let so = tokio::time::timeout(PATIENCE, waited).await;
    so.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_backup_under_load_has_all_that_was_acknowledged_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_file(&folder.path().join("w.db")).await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    world.send_all((0..500).map(|n| format!("before{n}"))).await;
    let webhooks = world.webhooks.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let load = tokio::spawn(async move {
        while stopped.try_recv().is_err() {
            let event = Event::new("random_number:generate", &1);
            webhooks.send("acme", event).await.unwrap();
        }
    });
    let copies = folder.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    let copy = copies.join("w.db");
    world.webhooks.backup(&copy).await.unwrap();
    stop.send(()).unwrap();
    load.await.unwrap();
    assert_eq!(names(&copies), ["w.db"], "one file is the copy");

    let address = format!("sqlite:{}", copy.display());
    let restored = World::open(Arc::clone(&world.clock), &address, |builder| builder).await;
    assert!(restored.webhooks.pending().await.unwrap() >= 500);
    let endpoints = restored.webhooks.endpoints("acme");
    endpoints.resume(&id).await.unwrap();
    restored.webhooks.drain().await;
    let state = restored.state("before499").await;
    assert!(
        matches!(state, DeliveryState::Delivered { .. }),
        "{state:?}"
    );
}

#[tokio::test]
async fn a_backup_that_is_refused_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    let before = names(folder.path());
    let refused = world.webhooks.backup(&file).await.unwrap_err();
    assert!(matches!(refused, BackupError::Exists { .. }), "{refused}");
    let missing = folder.path().join("missing").join("w.db");
    let refused = world.webhooks.backup(&missing).await.unwrap_err();
    assert!(matches!(refused, BackupError::Io { .. }), "{refused}");
    assert_eq!(names(folder.path()), before);

    let in_memory = World::new().await;
    let refused = in_memory.webhooks.backup(&missing).await.unwrap_err();
    assert!(matches!(refused, BackupError::InMemory), "{refused}");
}

#[tokio::test]
async fn a_plain_copy_of_a_quiet_file_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    world.endpoint(|endpoint| endpoint).await;
    // Someone looks at the same time: the fold does not wait for them, and is done after.
    let reader = rusqlite::Connection::open(&file).unwrap();
    reader
        .execute_batch("begin; select * from webhooks_event")
        .unwrap();
    world.send("a").await;
    world.webhooks.drain().await;
    reader.execute_batch("commit").unwrap();
    let log = folder.path().join("w.db-wal");
    until("the log is folded", || {
        std::fs::metadata(&log).is_ok_and(|log| log.len() == 0)
    })
    .await;
    let copy = folder.path().join("copy.db");
    std::fs::copy(&file, &copy).unwrap();
    let address = format!("sqlite:{}", copy.display());
    let copied = World::open(Arc::clone(&world.clock), &address, |builder| builder).await;
    let state = copied.state("a").await;
    assert!(
        matches!(state, DeliveryState::Delivered { .. }),
        "{state:?}"
    );
}

#[tokio::test]
async fn a_new_process_waits_for_the_old_one_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let old = World::on_file(&file).await;
    let address = format!("sqlite:{}", file.display());
    let at_once = builder(&old.clock).open(&address).await;
    assert!(matches!(at_once, Err(OpenError::InUse { .. })));
    let soon = builder(&old.clock).wait_for_lock(Duration::from_millis(120));
    let soon = soon.open(&address).await;
    assert!(matches!(soon, Err(OpenError::InUse { .. })));
    let new = builder(&old.clock).wait_for_lock(PATIENCE);
    let (new, _) = tokio::join!(new.open(&address), old.webhooks.shutdown(seconds(5)));
    new.unwrap().shutdown(seconds(5)).await;
}

#[cfg(unix)]
#[tokio::test]
async fn its_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let world = World::on_file(&folder.path().join("w.db")).await;
    world.endpoint(|endpoint| endpoint).await;
    let copy = folder.path().join("copy.db");
    world.webhooks.backup(&copy).await.unwrap();
    let names = names(folder.path());
    assert_eq!(
        names,
        ["copy.db", "w.db", "w.db-lock", "w.db-shm", "w.db-wal"]
    );
    for name in names {
        let permissions = std::fs::metadata(folder.path().join(&name))
            .unwrap()
            .permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600, "{name}");
    }
}
