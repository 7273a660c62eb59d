//! Stores that another version of polis wrote.

use std::path::{Path, PathBuf};

use polis::{Listener, Settings};

/// A copy of the store that version 1 wrote itself, with two requests in it.
fn version_1(folder: &Path) -> PathBuf {
    let copy = folder.join("polis.db");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/version-1.db");
    std::fs::copy(kept, &copy).unwrap();
    copy
}

fn settings(store: &Path) -> Settings {
    Settings {
        store: Some(store.to_owned()),
        ..Settings::quiet()
    }
}

#[tokio::test]
async fn what_an_older_version_captured_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let listener = Listener::start_with(settings(&version_1(folder.path())))
        .await
        .unwrap();
    let requests = listener.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].event.as_deref(), Some("random_number:generate"));
    assert_eq!(
        &requests[0].body[..],
        br#"{"id":"old-file","event":"random_number:generate","data":2048}"#
    );
    assert_eq!(requests[0].status(), Some(200));
    assert_eq!(&*requests[1].scope, "acme");
    listener.stop().await;
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let store = version_1(folder.path());
    rusqlite::Connection::open(&store)
        .unwrap()
        .execute_batch("pragma user_version = 999")
        .unwrap();
    let refused = Listener::start_with(settings(&store)).await.unwrap_err();
    let said = refused.to_string();
    assert!(
        said.contains("version 999") && said.contains("writes version 1"),
        "{said}"
    );
}
