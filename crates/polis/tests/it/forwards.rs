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
            "X-Forwarded-Proto",
            "X-Forwarded-For",
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

/// The query was dropped, `/webhook` became `/webhook/`, credentials vanished.
#[tokio::test]
async fn all_of_a_forward_url_is_used_or_it_is_refused() {
    let app = Listener::start().await.unwrap();
    let front = Listener::start().await.unwrap();
    let port = app.url().rsplit(':').next().unwrap().to_owned();
    for (number, (base, path, target)) in [
        ("http://127.0.0.1:PORT/webhook", "/", "/webhook"),
        ("http://127.0.0.1:PORT/webhook/", "/", "/webhook/"),
        ("http://127.0.0.1:PORT/webhook", "/a?b=1", "/webhook/a?b=1"),
        ("http://127.0.0.1:PORT/webhook?key=k", "/", "/webhook?key=k"),
        ("http://127.0.0.1:PORT/w?key=k", "/a?b=1", "/w/a?key=k&b=1"),
        ("127.0.0.1:PORT", "/a", "/a"),
        ("PORT", "/a", "/a"),
    ]
    .into_iter()
    .enumerate()
    {
        let base = base.replace("PORT", &port);
        front
            .answer(rule(&format!(r#"{{"forward":"{base}"}}"#)))
            .unwrap();
        let sent = client().post(front.url() + path).send().await.unwrap();
        assert_eq!(sent.status(), 200, "{base}");
        let received = app.wait_for(number + 1).await.unwrap().pop().unwrap();
        assert_eq!(received.target(), target, "{base}");
    }
    let refused = front.answer(rule(r#"{"forward":"http://user:secret@localhost:3000"}"#));
    let told = refused.unwrap_err().join("; ");
    assert!(told.contains("credentials in a URL are not sent"), "{told}");
}

/// 94,000 lines of log in three seconds.
#[tokio::test]
async fn a_forward_to_its_own_port_or_in_a_circle_ends_with_the_reason() {
    let front = Listener::start().await.unwrap();
    let port = front.url().rsplit(':').next().unwrap().to_owned();
    for host in ["127.0.0.1", "localhost"] {
        let json = format!(r#"{{"forward":"http://{host}:{port}/x"}}"#);
        front.answer(rule(&json)).unwrap();
        let answer = client().post(front.url()).send().await.unwrap();
        assert_eq!(answer.status(), 502);
        let text = answer.text().await.unwrap();
        assert!(text.contains("polis itself captures there"), "{text}");
    }
    assert_eq!(front.wait_for(2).await.unwrap().len(), 2);

    let other = Listener::start().await.unwrap();
    let forward = |to: &Listener| rule(&format!(r#"{{"forward":"{}"}}"#, to.url()));
    front.answer(forward(&other)).unwrap();
    other.answer(forward(&front)).unwrap();
    let answer = client().post(front.url()).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("two programs forward to each other"),
        "{text}"
    );
    assert!(front.requests().len() < 20, "{}", front.requests().len());
}

#[tokio::test]
async fn what_a_proxy_before_said_stays_and_the_senders_address_is_appended() {
    let (front, app) = pair("").await;
    let sent = client()
        .post(front.url())
        .header("x-forwarded-host", "public.example")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-for", "203.0.113.7, 10.0.0.1")
        .header("x-forwarded-for", "10.0.0.2");
    sent.send().await.unwrap();
    let received = app.wait_for(1).await.unwrap().remove(0);
    let all = |name: &str| -> Vec<String> {
        let values = received.head.as_ref().unwrap().all(name);
        values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect()
    };
    assert_eq!(all("x-forwarded-host"), ["public.example"]);
    assert_eq!(all("x-forwarded-proto"), ["https"]);
    assert_eq!(
        all("x-forwarded-for"),
        ["203.0.113.7, 10.0.0.1, 10.0.0.2, 127.0.0.1"]
    );
}

#[tokio::test]
async fn an_app_that_answers_200_and_breaks_off_or_says_too_much_keeps_its_200() {
    let app = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", app.local_addr().unwrap());
    let front = Listener::start_with(polis::Settings {
        body_limit: 4,
        ..polis::Settings::quiet()
    })
    .await
    .unwrap();
    front
        .answer(rule(&format!(r#"{{"forward":"{url}"}}"#)))
        .unwrap();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"[..],
            b"HTTP/1.1 201 Created\r\nContent-Length: 6\r\n\r\nabcdef",
        ] {
            let (mut stream, _) = app.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer).await.unwrap();
        }
    });
    for (status, body, reason) in [
        (200, "ab", "content-length says 4"),
        (201, "abcd", "larger than 4 bytes"),
    ] {
        let answer = client().post(front.url()).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.text().await.unwrap(), body);
        let captured = front.requests().pop().unwrap();
        let forward = captured.answer().unwrap().forward.clone().unwrap();
        assert_eq!(forward.status, Some(status));
        assert!(forward.error.unwrap().contains(reason));
    }
    answering.await.unwrap();
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
