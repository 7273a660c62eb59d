//! What one client may cost: time, bytes, connections.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Body,
    http::Request,
    routing::{self, get},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use serve::Limits;

use super::{
    client::{Client, Closed},
    server::{SHORT, Server, patient, within},
};

const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const GET_AND_CLOSE: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

fn app() -> Router {
    let measure = |body: Bytes| async move { format!("{} bytes", body.len()) };
    let ignore = || async { "not read" };
    serve::protect(
        Router::new()
            .route("/", get(|| async { "hello" }).post(measure))
            .route("/ignore", routing::post(ignore))
            .route("/large", get(|| async { vec![b'x'; 64 * 1024 * 1024] })),
    )
}

fn post(path: &str, header: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n\r\n")
}

/// A plain request still works while and after others misbehave.
async fn assert_serves(server: &Server) {
    let mut client = Client::connect(server.address).await;
    client.send(GET_AND_CLOSE).await;
    let (answer, closed) = client.read_to_close().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(closed, Closed::Orderly);
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off() {
    let limits = Limits {
        header_time: SHORT,
        ..patient()
    };
    let server = Server::start(app(), limits).await;
    let mut client = Client::connect(server.address).await;
    client
        .send("GET / HTTP/1.1\r\nhost: localhost\r\nx: ")
        .await;
    let answer = client.trickle(b"a").await;
    assert!(!answer.contains("200"), "{answer}");
    assert_serves(&server).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let limits = Limits {
        header_time: SHORT,
        ..patient()
    };
    let server = Server::start(app(), limits).await;
    let mut silent = Client::connect(server.address).await;
    assert_eq!(silent.read_to_close().await.0, "");

    let mut idle = Client::connect(server.address).await;
    idle.send(GET).await;
    idle.read_until("hello").await;
    assert_eq!(idle.read_to_close().await.0, "");
}

#[tokio::test]
async fn a_body_that_trickles_is_answered_408() {
    let limits = Limits {
        body_time: SHORT,
        ..patient()
    };
    let server = Server::start(app(), limits).await;
    for (header, piece) in [
        ("content-length: 1000000", "a"),
        ("transfer-encoding: chunked", "1\r\na\r\n"),
    ] {
        let mut client = Client::connect(server.address).await;
        client.send(post("/", header)).await;
        let answer = client.trickle(piece.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{header}: {answer}");
        assert!(answer.contains("did not arrive within 150 ms"), "{answer}");
        assert!(answer.contains("x-frame-options: DENY"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert_serves(&server).await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_costs_no_time() {
    let server = Server::start(app(), patient()).await;
    let mut client = Client::connect(server.address).await;
    client
        .send(post("/ignore", "content-length: 1000000"))
        .await;
    let (answer, _) = client.read_to_close().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("not read"), "{answer}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_413() {
    let limits = Limits {
        body_bytes: 1000,
        ..patient()
    };
    let server = Server::start(app(), limits).await;
    let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "a".repeat(size));
    let cases = [
        ("content-length: 1000", "a".repeat(1000), "200"),
        ("content-length: 1001", "a".repeat(1001), "413"),
        ("content-length: 4000000", "a".repeat(4_000_000), "413"),
        ("content-length: 18446744073709551615", String::new(), "4"),
        (
            "transfer-encoding: chunked",
            chunk(999) + &chunk(1) + "0\r\n\r\n",
            "200",
        ),
        ("transfer-encoding: chunked", chunk(999) + &chunk(2), "413"),
    ];
    for (header, body, status) in cases {
        let mut client = Client::connect(server.address).await;
        client
            .send(post("/", &format!("{header}\r\nconnection: close")))
            .await;
        // Even a client that sends everything before it reads gets to see the answer.
        client.send(&body).await;
        let (answer, closed) = client.read_to_close().await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{header}: {answer}");
        assert_eq!(closed, Closed::Orderly, "{header}");
        if status == "413" {
            assert!(answer.contains("larger than 1000 bytes"), "{answer}");
            assert!(
                answer.contains("x-content-type-options: nosniff"),
                "{answer}"
            );
        }
    }
}

/// An app that records what it gets may want to keep the part of a body that fits.
#[tokio::test]
async fn a_handler_that_makes_do_with_a_cut_body_keeps_its_answer() {
    let keep = |request: Request<Body>| async {
        let mut body = request.into_body();
        let mut kept = 0;
        let mut cut = false;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => kept += frame.into_data().map_or(0, |data| data.len()),
                Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        format!("kept {kept}, cut: {cut}")
    };
    let limits = Limits {
        body_time: SHORT,
        ..patient()
    };
    let server = Server::start(Router::new().route("/", routing::post(keep)), limits).await;
    let mut client = Client::connect(server.address).await;
    client.send(post("/", "content-length: 10")).await;
    client.send("abc").await;
    let answer = client.read_to_close().await.0;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("kept 3, cut: true"), "{answer}");
}

#[tokio::test]
async fn a_body_larger_than_axums_own_limit_passes_where_allowed() {
    let limits = Limits {
        body_bytes: 8 * 1024 * 1024,
        ..patient()
    };
    let server = Server::start(app(), limits).await;
    let mut client = Client::connect(server.address).await;
    let body = vec![b'a'; 4 * 1024 * 1024];
    client
        .send(post("/", &format!("content-length: {}", body.len())))
        .await;
    client.send(&body).await;
    let answer = client.read_until("bytes").await;
    assert!(answer.ends_with("4194304 bytes"), "{answer}");
}

#[tokio::test]
async fn a_head_beyond_the_limits_is_answered_431() {
    let server = Server::start(app(), patient()).await;
    let many: String = (0..101).map(|n| format!("x-{n}: a\r\n")).collect();
    let heads = [
        format!("x: {}", "a".repeat(33 * 1024)),
        format!("x: {}", "a".repeat(1024 * 1024)),
        many.trim_end().to_owned(),
    ];
    for head in heads {
        let mut client = Client::connect(server.address).await;
        client
            .send(format!("GET / HTTP/1.1\r\n{head}\r\n\r\n"))
            .await;
        let (answer, closed) = client.read_to_close().await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert_eq!(closed, Closed::Orderly);
    }
    let mut client = Client::connect(server.address).await;
    let target = format!("/?{}", "a".repeat(80 * 1024));
    client.send(format!("GET {target} HTTP/1.1\r\n\r\n")).await;
    let (answer, _) = client.read_to_close().await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_serves(&server).await;
}

#[tokio::test]
async fn the_limits_of_a_head_can_be_widened() {
    let limits = Limits {
        header_bytes: 2 * 1024 * 1024,
        header_count: 1000,
        ..patient()
    };
    let server = Server::start(app(), limits).await;
    let many: String = (0..900).map(|n| format!("x-{n}: a\r\n")).collect();
    let mut client = Client::connect(server.address).await;
    let large = "a".repeat(1024 * 1024);
    client
        .send(format!(
            "GET / HTTP/1.1\r\n{many}x: {large}\r\nconnection: close\r\n\r\n"
        ))
        .await;
    let (answer, _) = client.read_to_close().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_for_a_place() {
    let limits = Limits {
        connections: 2,
        ..patient()
    };
    let busy = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (release, released) = tokio::sync::watch::channel(false);
    let (now, peak) = (Arc::clone(&busy), Arc::clone(&most));
    let hold = move || {
        let (busy, most, mut released) = (Arc::clone(&now), Arc::clone(&peak), released.clone());
        async move {
            most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            released.wait_for(|released| *released).await.unwrap();
            busy.fetch_sub(1, Ordering::SeqCst);
            "done"
        }
    };
    let server = Server::start(Router::new().route("/", get(hold)), limits).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = Client::connect(server.address).await;
        client.send(GET_AND_CLOSE).await;
        clients.push(client);
    }
    within(async {
        while busy.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    release.send(true).unwrap();
    for mut client in clients {
        assert!(client.read_to_close().await.0.ends_with("done"));
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let limits = Limits {
        connections: 1,
        stall_time: SHORT,
        ..patient()
    };
    let server = Server::start(app(), limits).await;
    let mut stalled = Client::connect(server.address).await;
    stalled.send("GET /large HTTP/1.1\r\n\r\n").await;
    // There is one place: this is served once the stalled client has lost it.
    assert_serves(&server).await;
    let (answer, _) = stalled.read_to_close().await;
    assert!(answer.len() < 64 * 1024 * 1024, "{}", answer.len());
}

#[tokio::test]
async fn a_panic_ends_neither_the_server_nor_the_connection() {
    let panics = || async { std::hint::black_box::<Option<&str>>(None).unwrap() };
    let router = app().merge(serve::protect(Router::new().route("/panics", get(panics))));
    let server = Server::start(router, patient()).await;
    let mut client = Client::connect(server.address).await;
    client
        .send("GET /panics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    let answer = client.read_until("try again\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    client.send(GET).await;
    client.read_until("hello").await;
}

#[tokio::test]
async fn a_busy_port_is_named_with_its_variable() {
    let server = Server::start(app(), patient()).await;
    let port = server.address.port();
    let error = serve::bind(serve::Host::default(), port, "POLIS_PORT").await;
    assert_eq!(
        error.unwrap_err().to_string(),
        format!(
            "port {port} on 127.0.0.1 is in use; \
             stop the program that has it or set POLIS_PORT to another port"
        )
    );
}
