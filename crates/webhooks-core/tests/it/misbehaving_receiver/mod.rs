//! Receivers that misbehave: a recorded, typed failure each, within the time limit, and the
//! engine goes on.
#![cfg(feature = "testing")]

mod kept_connection;
mod table;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::each_store::Store;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use webhooks_core::{
    Attempt, BodyCut, Event, Failure, Outcome, RESPONSE_BYTES_MAX, testing::Receiver,
};

/// Short, so that the tests of it are.
const TIME_LIMIT: Duration = Duration::from_millis(700);
/// The promise: the time limit and a second.
const SLACK: Duration = Duration::from_secs(1);

/// Serves every connection with `behave`; returns the URL and how many connections there were.
async fn misbehaving<F, Done>(behave: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> Done + Send + Sync + 'static,
    Done: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let behave = Arc::new(behave);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let behave = Arc::clone(&behave);
            tokio::spawn(async move { behave(stream).await });
        }
    });
    (url, connections)
}

/// Reads the whole request: its head and the body that content-length announces.
async fn read_request(stream: &mut TcpStream) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        read.extend_from_slice(&buffer[..count]);
        if count == 0 || read.ends_with(b"}") {
            return;
        }
    }
}

/// Sends one event to `url` and one to a healthy endpoint; returns the attempt at `url`.
async fn attempt_at(store: Store, url: &str) -> Attempt {
    let world = store
        .world_with(|builder| builder.time_limit(TIME_LIMIT))
        .await;
    let bad = world.webhooks.endpoints("bad");
    bad.add(url).await.unwrap();
    world.endpoint(|endpoint| endpoint).await;
    let sent = world
        .webhooks
        .send("bad", Event::new("a", &1))
        .await
        .unwrap();
    world.webhooks.drain().await;
    world.send("healthy").await;
    world.receiver.wait_for(1).await;
    let mut deliveries = world
        .webhooks
        .deliveries("bad", &sent.event_id)
        .await
        .unwrap();
    let attempts = deliveries.remove(0).attempts;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    let attempt = attempts.into_iter().next().unwrap();
    assert!(attempt.duration < TIME_LIMIT + SLACK, "{attempt:?}");
    attempt
}

fn failure(attempt: &Attempt) -> &Failure {
    match &attempt.outcome {
        Outcome::Failure(failure) => failure,
        Outcome::Success => panic!("it succeeded: {attempt:?}"),
    }
}

async fn ten_gibibytes_are_read_to_the_limit_and_no_further(store: Store) {
    let poured = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&poured);
    let (url, _) = misbehaving(move |mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            read_request(&mut stream).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                10_u64 << 30
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let zeros = vec![0; 64 * 1024];
            while stream.write_all(&zeros).await.is_ok() {
                counted.fetch_add(zeros.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let attempt = attempt_at(store, &url).await;
    assert_eq!(attempt.outcome, Outcome::Success);
    assert_eq!(attempt.body_cut, Some(BodyCut::Length));
    let poured = poured.load(Ordering::SeqCst);
    // What the kernel buffers on both sides is beyond our reach.
    assert!(
        poured < RESPONSE_BYTES_MAX + 32 * 1024 * 1024,
        "{poured} bytes were taken"
    );
}

async fn a_gzip_bomb_is_not_unpacked(store: Store) {
    let bomb = std::process::Command::new("sh")
        .args(["-c", "head -c 100000000 /dev/zero | gzip -9"])
        .output()
        .unwrap()
        .stdout;
    assert!(
        bomb.len() > RESPONSE_BYTES_MAX,
        "gzip made {} bytes",
        bomb.len()
    );
    for cut in [bomb.len(), 10_000] {
        let body = bomb[..cut].to_vec();
        let (url, _) = misbehaving(move |mut stream| {
            let body = body.clone();
            async move {
                read_request(&mut stream).await;
                let head = format!(
                    "HTTP/1.1 500 Bomb\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
            }
        })
        .await;
        let attempt = attempt_at(store, &url).await;
        let is_long = cut > RESPONSE_BYTES_MAX;
        assert_eq!(failure(&attempt), &Failure::Status(500));
        assert_eq!(attempt.body_cut, is_long.then_some(BodyCut::Length));
        assert!(
            attempt.body_head.starts_with(&[0x1f, 0x8b]),
            "the bytes are kept as they came"
        );
    }
}

async fn a_redirect_to_itself_is_one_request(store: Store) {
    let receiver = Receiver::start().await.unwrap();
    receiver
        .respond([webhooks_core::testing::Answer::status(302).header("location", &receiver.url())]);
    let attempt = attempt_at(store, &receiver.url()).await;
    assert_eq!(failure(&attempt), &Failure::Status(302));
    assert_eq!(receiver.requests().len(), 1);
}

async fn a_name_that_does_not_resolve_and_a_port_without_a_listener_are_told_apart(store: Store) {
    let name = attempt_at(store, "http://no-such-host.invalid/").await;
    assert!(matches!(failure(&name), Failure::Name(_)), "{name:?}");
    let free = Receiver::start().await.unwrap().address();
    let refused = attempt_at(store, &format!("http://{free}/")).await;
    assert_eq!(failure(&refused), &Failure::Refused);
}

/// An HTTPS server whose certificate nobody has reason to trust.
async fn tls(expired: bool) -> String {
    let mut parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    if expired {
        parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    // Not the process's default: with all features there are two to choose from.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (url, _) = misbehaving(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // The client refuses in the handshake.
            let _ = acceptor.accept(stream).await;
        }
    })
    .await;
    url.replace("http://", "https://")
}

async fn a_certificate_that_cannot_be_trusted_is_a_failure_of_tls(store: Store) {
    for expired in [true, false] {
        let attempt = attempt_at(store, &tls(expired).await).await;
        assert!(matches!(failure(&attempt), Failure::Tls(_)), "{attempt:?}");
    }
    let receiver = Receiver::start().await.unwrap();
    let attempt = attempt_at(store, &receiver.url().replace("http://", "https://")).await;
    assert!(
        matches!(failure(&attempt), Failure::Tls(_)),
        "a server without TLS: {attempt:?}"
    );
}

for_each_store!(
    ten_gibibytes_are_read_to_the_limit_and_no_further,
    a_gzip_bomb_is_not_unpacked,
    a_redirect_to_itself_is_one_request,
    a_name_that_does_not_resolve_and_a_port_without_a_listener_are_told_apart,
    a_certificate_that_cannot_be_trusted_is_a_failure_of_tls
);
