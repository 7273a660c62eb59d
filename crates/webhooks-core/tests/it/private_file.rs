//! A database holds the endpoints' secrets, a guard's file what was received.
#![cfg(all(unix, feature = "sqlite"))]

use std::os::unix::fs::PermissionsExt;

use webhooks_core::Webhooks;
#[cfg(feature = "receive")]
use webhooks_core::receive::ReplayGuard;

#[tokio::test]
async fn a_new_database_is_its_owners_alone_and_an_existing_ones_mode_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("webhooks.db");
    let address = format!("sqlite:{}", file.display());
    let mode = |name: &str| {
        let metadata = std::fs::metadata(directory.path().join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    let webhooks = Webhooks::open(&address).await.unwrap();
    for name in ["webhooks.db", "webhooks.db-wal", "webhooks.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    webhooks.shutdown(std::time::Duration::ZERO).await;

    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let webhooks = Webhooks::open(&address).await.unwrap();
    assert_eq!(mode("webhooks.db"), 0o640);
    webhooks.shutdown(std::time::Duration::ZERO).await;
}

#[cfg(feature = "receive")]
#[tokio::test]
async fn a_replay_guards_file_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("replay.db");
    let _guard = ReplayGuard::open(&file).unwrap();
    for name in ["replay.db", "replay.db-wal", "replay.db-shm"] {
        let metadata = std::fs::metadata(directory.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}
