//! Hundreds of clients that begin a request and never end it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use serve::Limits;

use super::{
    client::Client,
    server::{Server, patient},
};

const LORISES: usize = 500;

/// Enough for a p99 that is not just the slowest one.
const REQUESTS: usize = 1000;

/// Generous, because other tests share the machine; what is measured is printed. A server that
/// lets the lorises in the way would not answer at all.
const WORST_RATIO: f64 = 20.0;

const CHILD: &str = "serving::slow_loris::child_with_many_unfinished_requests";
const ADDRESS: &str = "SLOW_LORIS_ADDRESS";

fn app() -> Router {
    serve::protect(Router::new().route("/", get(|| async { "hello" })))
}

/// Lorises live in a process of their own: one process may have few more than 1,000 open files,
/// and each connection has two ends.
struct Lorises {
    child: Child,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Lorises {
    fn start(address: SocketAddr) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([CHILD, "--exact", "--ignored", "--nocapture"])
            .env(ADDRESS, address.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    async fn said(&mut self, text: &str) {
        super::server::within(async { while !self.lines.recv().await.unwrap().contains(text) {} })
            .await;
    }
}

impl Drop for Lorises {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "run by the tests below, as the attacker"]
async fn child_with_many_unfinished_requests() {
    let address: SocketAddr = std::env::var(ADDRESS).unwrap().parse().unwrap();
    let mut lorises = Vec::new();
    for _ in 0..LORISES {
        let mut loris = Client::connect(address).await;
        loris.send("GET / HTTP/1.1\r\nhost: localhost\r\nx: ").await;
        lorises.push(loris);
    }
    println!("all {LORISES} are open");
    for loris in &mut lorises {
        let answer = loris.trickle(b"a").await;
        assert!(!answer.contains("200"), "{answer}");
    }
    println!("all {LORISES} were closed");
}

/// The p99 of requests on connections of their own, so that each has to be accepted.
async fn p99(address: SocketAddr) -> Duration {
    let mut durations = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let started = Instant::now();
        let mut client = Client::connect(address).await;
        client
            .send("GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
            .await;
        let (answer, _) = client.read_to_close().await;
        durations.push(started.elapsed());
        assert!(answer.ends_with("hello"), "{answer}");
    }
    durations.sort_unstable();
    durations[REQUESTS * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_of_them_leave_normal_requests_served() {
    let server = Server::start(app(), patient()).await;
    p99(server.address).await;
    let alone = p99(server.address).await;
    let mut lorises = Lorises::start(server.address);
    lorises.said("are open").await;
    let besieged = p99(server.address).await;
    let ratio = besieged.as_secs_f64() / alone.as_secs_f64();
    println!(
        "p99 alone {alone:?}, with {LORISES} slow-loris connections {besieged:?}: {ratio:.2}x"
    );
    assert!(ratio < WORST_RATIO, "{ratio}");
}

#[tokio::test]
async fn five_hundred_of_them_are_all_closed() {
    let limits = Limits {
        header_time: Duration::from_millis(500),
        ..patient()
    };
    let server = Server::start(app(), limits).await;
    let mut lorises = Lorises::start(server.address);
    lorises.said("were closed").await;
}
