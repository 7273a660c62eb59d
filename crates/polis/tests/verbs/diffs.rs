//! diff: where two captured requests differ.

use polis::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    reads::{filled, post},
    run::polis,
};

#[tokio::test]
async fn diff_compares_by_place_and_exits_like_diff() {
    let listener = filled().await;
    let changed = polis(&["diff", "1", "2"]).at(&listener).end().await;
    let text = changed.text(1);
    assert!(text.contains("body.data\n  - 863\n  + 7\n"), "{text}");
    assert!(
        text.contains("header.content-length\n  - 45\n  + 43\n"),
        "{text}"
    );
    assert!(!text.contains("authorization"), "{text}");
    let same = polis(&["diff", "2", "2"]).at(&listener).end().await;
    assert!(same.text(0).contains("equal"));
    let lines = polis(&["diff", "1", "2", "--json"])
        .at(&listener)
        .end()
        .await
        .json(1);
    let data = lines
        .iter()
        .find(|line| line["place"] == "body.data")
        .unwrap();
    assert_eq!((&data["a"], &data["b"]), (&"863".into(), &"7".into()));
    assert_eq!(
        polis(&["diff", "1", "99"]).at(&listener).end().await.code,
        2
    );
}

#[tokio::test]
async fn diff_tells_that_hidden_values_differ_without_showing_them() {
    let listener = Listener::start().await.unwrap();
    for token in ["Bearer aaaaaa", "Bearer bbbbbb"] {
        post(&listener, "/", &[("authorization", token)], b"").await;
    }
    let hidden = polis(&["diff", "1", "2"]).at(&listener).end().await;
    let text = hidden.text(1);
    assert!(
        text.contains("header.authorization\n  - [redacted;"),
        "{text}"
    );
    assert!(!text.contains("aaaaaa"), "{text}");
    let shown = polis(&["diff", "1", "2", "--show-secrets"])
        .at(&listener)
        .end()
        .await;
    assert!(shown.text(1).contains("- Bearer aaaaaa"));
}

#[tokio::test]
async fn diff_tells_versions_cuts_and_bytes_that_are_no_request() {
    let listener = Listener::start().await.unwrap();
    for bytes in [
        &b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"[..],
        b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
        b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\n",
        b"bad line\r\nAuthorization: Bearer planted\r\nX: 1\r\n\r\n",
        b"bad line\r\nAuthorization: Bearer flanted\r\nX: 2\r\n\r\n",
    ] {
        let address = listener.url().replace("http://", "");
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    let diff = |a: &'static str, b: &'static str| polis(&["diff", a, b]).at(&listener).end();
    let version = diff("1", "2").await;
    assert!(
        version
            .text(1)
            .ends_with("version\n  - HTTP/1.1\n  + HTTP/1.0\n"),
        "{version:?}"
    );
    let broken = diff("2", "3").await;
    assert!(broken.text(1).contains("problem\n  + "), "{broken:?}");
    let unreadable = diff("4", "5").await;
    let text = unreadable.text(1);
    assert!(
        text.contains("first bytes line 3\n  - X: 1\\r\n  + X: 2\\r\n"),
        "{text}"
    );
    assert!(
        text.contains("first bytes line 2\n  - [redacted") && !text.contains("lanted"),
        "{text}"
    );
    let both = diff("1", "4").await;
    assert!(
        both.text(1).contains("first bytes line 1\n  + bad line\\r"),
        "{both:?}"
    );
    let page = reqwest::get(listener.page_url() + "/requests/5?with=4");
    let page = page.await.unwrap().text().await.unwrap();
    assert!(page.contains("first bytes line 3"), "{page}");
    assert!(!page.contains("lanted"), "{page}");
    let shown = polis(&["show", "4"]).at(&listener).end().await;
    assert!(
        shown
            .text(0)
            .contains("Authorization: Bearer [redacted: 7 bytes]"),
        "{shown:?}"
    );
}
