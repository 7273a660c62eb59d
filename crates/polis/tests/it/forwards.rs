//! Captured first, forwarded second.

use polis::Listener;

use crate::wire::{client, rule, say};

async fn pair(more: &str) -> (Listener, Listener) {
    let app = Listener::start().await.unwrap();
    let front = Listener::start().await.unwrap();
    let json = format!(r#"{{"forward":"{}/base"{more}}}"#, app.url());
    front.answer(rule(&json)).unwrap();
    (front, app)
}

#[tokio::test]
async fn bytes_order_case_repeats_path_and_query_are_kept() {
    let (front, app) = pair("").await;
    app.answer(rule(
        r#"{"respond":201,"headers":["X-App: 1","X-App: 2"],"body":"from the app"}"#,
    ))
    .unwrap();
    let answer = say(
        &front,
        b"POST /a//b/../c%2F?x=%20&x=2 HTTP/1.1\r\nHost: public.example\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nX-Drop: 1\r\nConnection: close, X-Drop\r\nContent-Length: 3\r\n\r\n\xff\x00x",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("X-App: 1\r\nX-App: 2\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nfrom the app"), "{answer}");

    let received = app.wait_for(1).await.unwrap().remove(0);
    assert_eq!(received.target(), "/base/a//b/../c%2F?x=%20&x=2");
    assert_eq!(&received.body[..], b"\xff\x00x");
    let names: Vec<_> = received.headers().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "Host",
            "X-Forwarded-Host",
            "X-B",
            "x-a",
            "X-B",
            "Content-Length",
            "Connection"
        ]
    );
    assert_eq!(received.header("x-forwarded-host"), Some("public.example"));

    let captured = front.wait_for(1).await.unwrap().remove(0);
    let answer = captured.answer().unwrap();
    assert_eq!(answer.forward.as_ref().unwrap().status, Some(201));
    assert_eq!(&answer.body[..], b"from the app");
}

#[tokio::test]
async fn respond_wins_over_the_app() {
    let (front, app) = pair(r#","respond":503"#).await;
    let answer = client().post(front.url()).body("x").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(app.wait_for(1).await.unwrap().len(), 1);
    let captured = front.wait_for(1).await.unwrap().remove(0);
    let forward = captured.answer().unwrap().forward.clone().unwrap();
    assert_eq!(forward.status, Some(200));
}

#[tokio::test]
async fn an_app_that_is_down_is_a_502_that_says_so() {
    let (front, app) = pair("").await;
    app.stop().await;
    let answer = client().post(front.url()).body("x").send().await.unwrap();
    assert_eq!(answer.status(), 502);
    assert!(answer.text().await.unwrap().contains("cannot connect"));
    let captured = front.wait_for(1).await.unwrap().remove(0);
    assert_eq!(&captured.body[..], b"x");
    assert!(
        captured
            .answer()
            .unwrap()
            .forward
            .as_ref()
            .unwrap()
            .error
            .is_some()
    );
}

#[tokio::test]
async fn an_apps_chunked_answer_and_head_come_through() {
    let app = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = Listener::start().await.unwrap();
    let url = format!("http://{}", app.local_addr().unwrap());
    front
        .answer(rule(&format!(r#"{{"forward":"{url}"}}"#)))
        .unwrap();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for answer in [
            &b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        ] {
            let (mut stream, _) = app.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer).await.unwrap();
        }
    });
    let client = client();
    let chunked = client.post(front.url()).send().await.unwrap();
    assert_eq!(chunked.text().await.unwrap(), "hi");
    let head = client.head(front.url() + "/x").send().await.unwrap();
    assert_eq!(head.status(), 200);
    let old = client.post(front.url()).send().await.unwrap();
    assert_eq!(old.text().await.unwrap(), "until the end");
    answering.await.unwrap();
}

#[tokio::test]
async fn https_that_cannot_be_spoken_says_why() {
    // A plain HTTP listener where TLS is expected.
    let app = Listener::start().await.unwrap();
    let front = Listener::start().await.unwrap();
    let url = app.url().replace("http://", "https://");
    front
        .answer(rule(&format!(r#"{{"forward":"{url}"}}"#)))
        .unwrap();
    let answer = client().post(front.url()).body("x").send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(!text.contains("error sending request"), "{text}");
    let seen = app.wait_for(1).await.unwrap().remove(0);
    assert!(seen.problem.as_ref().unwrap().contains("TLS"));
}
