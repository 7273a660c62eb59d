//! Files that another version of the texter wrote.

use std::path::{Path, PathBuf};

use http::StatusCode;

use crate::rig::Rig;

/// A copy of the file that version 1 wrote itself, with the text of the event "old-file" in it.
fn version_1(folder: &Path) -> PathBuf {
    let copy = folder.join("texter.db");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/version-1.db");
    std::fs::copy(kept, &copy).unwrap();
    copy
}

#[tokio::test]
async fn what_an_older_version_texted_is_not_texted_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = version_1(folder.path());
    let mut rig = Rig::new().await;
    rig.set("TEXTER_STORE", &file.display().to_string());
    rig.restart().await;
    assert_eq!(rig.status("old-file").await, "delivered");
    assert_eq!(rig.draw("old-file", 2048).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 0);
    assert_eq!(rig.draw("new", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 1);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let file = version_1(folder.path());
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch("pragma user_version = 999")
        .unwrap();
    let mut rig = Rig::new().await;
    rig.set("TEXTER_STORE", &file.display().to_string());
    let refused = rig.refusal().await;
    assert!(
        refused.contains("version 999") && refused.contains("knows version 1"),
        "{refused}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_of_texts_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texter.db");
    let mut rig = Rig::new().await;
    rig.set("TEXTER_STORE", &file.display().to_string());
    rig.restart().await;
    assert_eq!(rig.draw("new", 641).await.status, StatusCode::CREATED);
    // Locked exclusively, it needs no file for shared memory.
    for name in ["texter.db", "texter.db-wal"] {
        let metadata = std::fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}
