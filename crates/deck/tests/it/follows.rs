//! A deck that is served follows its files, and says what is wrong with them.

use std::{fs, sync::Arc};

use axum::body::Body;
use deck::{Frames, Shown};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::watch::Receiver;
use tower::ServiceExt;

use crate::package::Folder;

async fn get(shown: &Receiver<Arc<Shown>>, path: &str) -> (Response<()>, String) {
    let request = Request::get(path)
        .header("host", "localhost:9030")
        .body(Body::empty());
    let answer = deck::app(shown.clone())
        .oneshot(request.unwrap())
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(parts, ()),
        String::from_utf8(bytes.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn the_page_follows_the_talk_its_sources_and_its_faults() {
    let Folder { folder, reveal } = Folder::new();
    let write = |name: &str, text: &str| {
        // As editors do it: another file takes the name.
        fs::write(folder.path().join("new"), text).unwrap();
        fs::rename(folder.path().join("new"), folder.path().join(name)).unwrap();
    };
    write("talk.md", "# first");
    let mut shown = deck::watch(&folder.path().join("talk.md"), Frames::default(), reveal);
    let (answer, html) = get(&shown, "/").await;
    assert_eq!(answer.status(), 200);
    assert!(
        html.contains("<h1>first</h1>") && html.contains("<body data-version=\"0\">"),
        "{html}"
    );
    assert_eq!(get(&shown, "/version").await.1, "0");

    write("talk.md", "```text\n{{#include code.txt:a}}\n```");
    shown.changed().await.unwrap();
    let (answer, html) = get(&shown, "/").await;
    assert_eq!(answer.status(), 500);
    assert!(
        html.contains("talk.md:1: code.txt can&#39;t be read"),
        "{html}"
    );
    assert_eq!(get(&shown, "/version").await.1, "1");

    // A source that was missing appears, and changes.
    for (version, text) in [("2", "now"), ("3", "then")] {
        write("code.txt", &format!("ANCHOR: a\n{text}\nANCHOR_END: a\n"));
        shown.changed().await.unwrap();
        let (answer, html) = get(&shown, "/").await;
        assert_eq!(answer.status(), 200);
        assert!(html.contains(&format!(">{text}</code>")), "{html}");
        assert_eq!(get(&shown, "/version").await.1, version);
    }
}

#[tokio::test]
async fn only_programs_that_the_talk_names_may_be_embedded() {
    let folder = Folder::new();
    let talk = folder.write(
        "talk.md",
        "---\nframe.a: http://localhost:9090/x\nframe.b: http://localhost:9090/y\nframe.c: https://c.example/\n---\n",
    );
    let shown = deck::watch(&talk, Frames::default(), folder.reveal);
    let (answer, _) = get(&shown, "/").await;
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(
        policy.contains("frame-src 'self' http://localhost:9090 https://c.example;"),
        "{policy}"
    );
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'self'"),
        "{policy}"
    );
}
