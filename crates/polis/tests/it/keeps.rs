//! What is kept, for how long, and across restarts.

use std::path::Path;

use polis::{Keep, Listener, Settings};
use serde_json::Value;

use crate::wire::{client, say};

async fn stored(path: &Path, requests: usize) -> Listener {
    Listener::start_with(Settings {
        store: Some(path.to_owned()),
        keep: Keep {
            requests,
            bytes: 1 << 20,
        },
        ..Settings::quiet()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_store_keeps_requests_answers_and_attempts_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("polis.db");
    let listener = stored(&path, 100).await;
    say(
        &listener,
        b"POST /a HTTP/1.1\r\nHost: h\r\nx-B: \xff\r\nWebhook-Id: m\r\nConnection: close\r\nContent-Length: 2\r\n\r\n\xff\x00",
    )
    .await;
    say(&listener, b"broken\r\n\r\n").await;
    listener.wait_for(2).await.unwrap();
    listener.stop().await;

    let listener = stored(&path, 100).await;
    let requests = listener.requests();
    assert_eq!(requests.len(), 2);
    let headers: Vec<_> = requests[0].headers().collect();
    assert_eq!(headers[1], ("x-B", &b"\xff"[..]));
    assert_eq!(&requests[0].body[..], b"\xff\x00");
    assert_eq!(requests[0].status(), Some(200));
    assert_eq!(&requests[0].answer().unwrap().body[..], b"\xff\x00");
    assert_eq!(&requests[1].first_bytes[..], b"broken\r\n\r\n");
    assert!(requests[1].problem.is_some());

    client()
        .post(listener.url())
        .header("webhook-id", "m")
        .send()
        .await
        .unwrap();
    let third = listener.wait_for(3).await.unwrap().remove(2);
    assert_eq!(third.id, 3);
    assert_eq!(third.delivery.as_ref().unwrap().attempt, 2);
    listener.stop().await;
}

#[tokio::test]
async fn what_falls_out_or_is_removed_is_gone_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("polis.db");
    let listener = stored(&path, 3).await;
    for _ in 0..5 {
        client().post(listener.url()).send().await.unwrap();
    }
    let url = listener.page_url() + "/api/requests/4";
    client().delete(url).send().await.unwrap();
    listener.stop().await;

    let ids = |listener: &Listener| -> Vec<u64> {
        listener
            .requests()
            .iter()
            .map(|request| request.id)
            .collect()
    };
    let listener = stored(&path, 3).await;
    assert_eq!(ids(&listener), [3, 5]);
    listener.stop().await;
    let listener = stored(&path, 1).await;
    assert_eq!(ids(&listener), [5]);
    listener.stop().await;
    let listener = stored(&path, 3).await;
    assert_eq!(ids(&listener), [5]);
    listener.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_store_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "this is not a database, it is a text of some length").unwrap();
    let error = Listener::start_with(Settings {
        store: Some(path),
        ..Settings::quiet()
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
}

#[tokio::test]
async fn memory_is_bounded_by_bytes_and_what_fell_out_is_counted() {
    let listener = Listener::start_with(Settings {
        keep: Keep {
            requests: 1000,
            bytes: 100_000,
        },
        ..Settings::quiet()
    })
    .await
    .unwrap();
    let client = client();
    for _ in 0..20 {
        client
            .post(listener.url())
            .body(vec![b'x'; 20_000])
            .send()
            .await
            .unwrap();
    }
    let url = listener.page_url() + "/api/requests";
    let page = client.get(url).send().await.unwrap().text().await.unwrap();
    let page: Value = serde_json::from_str(&page).unwrap();
    assert!(page["kept_bytes"].as_u64().unwrap() <= 100_000, "{page}");
    assert_eq!(page["kept"], 4);
    assert_eq!(page["fell_out"]["requests"], 16);
}

#[cfg(unix)]
#[tokio::test]
async fn the_store_of_what_was_captured_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let _listener = stored(&folder.path().join("polis.db"), 100).await;
    for name in ["polis.db", "polis.db-wal", "polis.db-shm"] {
        let metadata = std::fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let nowhere = folder.path().join("no/such/folder.db");
    let refused = Listener::start_with(Settings {
        store: Some(nowhere.clone()),
        ..Settings::quiet()
    });
    let told = refused.await.unwrap_err().to_string();
    assert!(told.contains(&nowhere.display().to_string()), "{told}");
}
