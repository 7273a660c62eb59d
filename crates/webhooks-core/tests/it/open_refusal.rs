//! Damage of every page, another name for a file in use, a lock that nobody holds.
#![cfg(feature = "testing")]

use std::path::{Path, PathBuf};

use crate::world::{World, seconds};
use webhooks_core::{OpenError, Webhooks};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("w.db")
    }
}

async fn open(file: &Path) -> Result<Webhooks, OpenError> {
    crate::world::builder(&std::sync::Arc::default())
        .open(&format!("sqlite:{}", file.display()))
        .await
}

/// Opening fails, and leaves the file as it was.
async fn refusal(file: &Path) -> OpenError {
    let before = std::fs::read(file).unwrap();
    let error = open(file).await.expect_err("the file is refused");
    assert!(
        before == std::fs::read(file).unwrap(),
        "the file was changed by: {error}"
    );
    error
}

/// A store with a thousand finished deliveries and a few hundred owed.
async fn filled(file: &Path) {
    let world = World::on_file(file).await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send_all((0..500).map(|n| format!("done{n}"))).await;
    world.webhooks.drain().await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    world.send_all((0..500).map(|n| format!("owed{n}"))).await;
    world.webhooks.shutdown(seconds(5)).await;
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    for keep in [50, 3_000, 4_096, 40_000, 100_001] {
        let folder = Folder::new();
        filled(&folder.file()).await;
        let file = std::fs::File::options()
            .write(true)
            .open(folder.file())
            .unwrap();
        assert!(file.metadata().unwrap().len() > keep);
        file.set_len(keep).unwrap();
        let error = refusal(&folder.file()).await;
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{keep}: {error}"
        );
    }
}

#[tokio::test]
async fn a_page_of_garbage_is_refused_or_does_not_matter_to_the_start() {
    let folder = Folder::new();
    filled(&folder.file()).await;
    let sound = std::fs::read(folder.file()).unwrap();
    let mut refused = 0;
    for page in 0..sound.len() / 4_096 {
        let folder = Folder::new();
        let mut bytes = sound.clone();
        bytes[page * 4_096..(page + 1) * 4_096].fill(0xa5);
        std::fs::write(folder.file(), &bytes).unwrap();
        match open(&folder.file()).await {
            Ok(webhooks) => _ = webhooks.shutdown(seconds(5)).await,
            Err(error) => {
                refused += 1;
                assert!(
                    matches!(error, OpenError::Damaged { .. }),
                    "page {page}: {error}"
                );
                assert!(
                    bytes == std::fs::read(folder.file()).unwrap(),
                    "page {page}: the file was changed by: {error}"
                );
            }
        }
    }
    assert!(refused >= 12, "only {refused} pages matter to the start");
}

#[tokio::test]
async fn a_second_name_of_a_file_in_use_is_refused() {
    let folder = Folder::new();
    let webhooks = open(&folder.file()).await.unwrap();
    let link = folder.0.path().join("link.db");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    let error = open(&link).await.expect_err("one engine at a time");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    webhooks.shutdown(seconds(5)).await;
    drop(open(&link).await.unwrap());
}

#[tokio::test]
async fn a_lock_file_that_nobody_holds_does_not_matter() {
    let folder = Folder::new();
    std::fs::write(
        folder.0.path().join("w.db-lock"),
        "left by a killed process",
    )
    .unwrap();
    open(&folder.file())
        .await
        .unwrap()
        .shutdown(seconds(5))
        .await;
}
