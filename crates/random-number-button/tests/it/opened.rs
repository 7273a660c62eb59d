//! A drawn number can be opened to show the webhooks exactly as they were sent.

use axum::{Json, Router, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::doubles::{Texter, button, press, request, shows};

/// Reads one request from a socket, byte for byte, and answers 201.
async fn wiretap(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("\r\n\r\n") && text.ends_with('}') {
            break;
        }
    }
    let answer = "HTTP/1.1 201 Created\r\nx-planted: <b>\r\ncontent-length: 2\r\n\r\nok";
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn unescaped(html: &str) -> String {
    [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ]
    .iter()
    .fold(html.to_owned(), |text, (entity, plain)| {
        text.replace(entity, plain)
    })
}

/// Every text between `before` and `after`, in order.
fn between<'a>(html: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let parts = html.split(before).skip(1);
    parts.filter_map(|part| part.split(after).next()).collect()
}

/// The request that the page shows, as it goes over the wire.
fn shown_request(page: &str) -> String {
    let exchange = between(
        page,
        "The button sent this request",
        "The endpoint’s answer",
    )[0];
    let url = between(exchange, "<b>POST</b> ", "</p>")[0];
    let path = url.splitn(4, '/').nth(3).unwrap();
    let mut wire = format!("POST /{path} HTTP/1.1\r\n");
    for line in between(exchange, "<dt class=\"mono\">", "</span>") {
        let (name, value) = line.split_once(":</dt> <dd><span class=\"mono\">").unwrap();
        wire += &format!("{name}: {}\r\n", unescaped(value));
    }
    let body = between(exchange, "aria-label=\"The request’s body\">", "</pre>")[0];
    format!("{wire}\r\n{}", unescaped(body))
}

#[tokio::test]
async fn the_request_that_is_shown_is_the_one_that_was_sent_byte_for_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in?x=1,2", listener.local_addr().unwrap());
    let tapped = tokio::spawn(wiretap(listener));
    let button = button(&[&url], &[]).await;
    let page = press(&button).await;
    let shown = shows(&button, &page, "Delivered to the texter").await;
    assert_eq!(shown_request(&shown), tapped.await.unwrap());
    assert!(shown.contains("<b>201 Created</b>"), "{shown}");
    assert!(
        shown.contains("x-planted:</dt> <dd class=\"mono\">&#60;b&#62;</dd>"),
        "{shown}"
    );
}

#[tokio::test]
async fn each_line_that_is_not_plain_is_explained() {
    let texter = Texter::start(0).await;
    let button = button(&[&texter.url], &[]).await;
    let page = press(&button).await;
    let shown = shows(&button, &page, "Delivered to the texter").await;
    for explanation in [
        "the button called the endpoint’s URL",
        "A retry carries the same id",
        "The receiver refuses old requests",
        "The proof that it is genuine",
        "a secret that only sender and receiver know",
        "would send the same webhook again: after 5 seconds",
    ] {
        assert!(shown.contains(explanation), "{explanation}: {shown}");
    }
}

#[tokio::test]
async fn every_attempt_has_its_own_request_with_the_same_id_and_a_new_signature() {
    let texter = Texter::start(0).await;
    texter.answers(503, "{}");
    let button = button(&[&texter.url], &[]).await;
    let page = press(&button).await;
    shows(&button, &page, "Attempt 1: answered 503").await;
    texter.answers(201, "{}");
    let shown = shows(&button, &page, "Attempt 2: answered 201").await;
    let received = texter.received();
    let signatures: Vec<String> = between(
        &shown,
        "webhook-signature:</dt> <dd><span class=\"mono\">",
        "</span>",
    )
    .into_iter()
    .map(unescaped)
    .collect();
    let sent: Vec<&str> = received
        .iter()
        .map(|(headers, _)| headers["webhook-signature"].to_str().unwrap())
        .collect();
    assert_eq!(signatures, sent);
    let ids = between(
        &shown,
        "webhook-id:</dt> <dd><span class=\"mono\">",
        "</span>",
    );
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    // The newest attempt at the texter is open from the start, and only that.
    assert_eq!(shown.matches("#2\" open>").count(), 1, "{shown}");
    assert_eq!(shown.matches("\" open>").count(), 1, "{shown}");
}

#[tokio::test]
async fn endpoints_are_branches_with_names_and_polis_shows_the_very_request() {
    let (texter, polis) = (Texter::start(0).await, Texter::start(0).await);
    // polis numbers requests in its own order: this event's first attempt is its ninth request.
    let api = Router::new().route(
        "/api/requests",
        get(|| async {
            Json(serde_json::json!({ "requests": [
                { "id": 12, "delivery": null },
                { "id": 11, "delivery": { "attempt": 2 } },
                { "id": 9, "delivery": { "attempt": 1 } },
            ]}))
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let polis_page = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, api).await });
    let named = format!("polis={}", polis.url);
    let pages = format!("button=http://localhost:9090 polis={polis_page}");
    let button = button(&[&texter.url, &named], &[("DEMO_PAGES", &pages)]).await;
    let page = press(&button).await;
    let shown = shows(&button, &page, "<h3>Delivered to polis</h3>").await;
    assert!(
        shown.contains("called the URL of every endpoint, all at the same time"),
        "{shown}"
    );

    let link = between(&shown, "<a href=\"/in-polis", "\">")[0];
    let link = format!("/in-polis{}", unescaped(link));
    let led = request(&button, "GET", &link, &[]).await;
    assert_eq!(led.status, 303);
    assert_eq!(led.headers["location"], format!("{polis_page}/requests/9"));
    let made_up = request(&button, "GET", "/in-polis?event=nonsense&attempt=1", &[]).await;
    assert_eq!(made_up.status, 404);
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let button = button(&["http://127.0.0.1:1"], &[]).await;
    let page = press(&button).await;
    let shown = shows(&button, &page, "Attempt 1: connection refused").await;
    assert!(
        shown.contains("Nothing was sent: nothing is listening there"),
        "{shown}"
    );
    for untrue in ["The button sent this request", "earlier run"] {
        assert!(!shown.contains(untrue), "{untrue}: {shown}");
    }
}

#[tokio::test]
async fn what_an_earlier_run_sent_is_not_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("button.db").display().to_string();
    let texter = Texter::start(0).await;
    let open = async || {
        let settings = crate::doubles::settings(&[&texter.url], &store, &[]);
        random_number_button::Button::open(&settings, || 641)
            .await
            .unwrap()
    };
    let before = open().await;
    let page = press(&before).await;
    shows(&before, &page, "The proof that it is genuine").await;
    before.shutdown(std::time::Duration::from_secs(10)).await;
    let after = open().await;
    let shown = shows(
        &after,
        &page,
        "An earlier run of the button made this request",
    )
    .await;
    assert!(!shown.contains("webhook-signature"), "{shown}");
    after.shutdown(std::time::Duration::from_secs(10)).await;
}
