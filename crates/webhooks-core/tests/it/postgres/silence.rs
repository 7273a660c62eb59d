//! Connections that bring nothing more, and of whose end nobody is told.

use std::time::{Duration, Instant};

use scratch_postgres::{Cluster, Settings};
use tokio::net::TcpListener;
use webhooks_core::{Event, SendError, StoreError, Webhooks, testing::Receiver};

use super::{line::Line, until};

/// How long the engines of these tests wait for an answer: longer than a busy machine takes to give one.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The longest that anything waits for a connection that is silent: a limit, and a new connection. Shorter
/// than without a limit of its own.
const SILENCE_MAX: Duration = Duration::from_secs(14);

async fn open(line: &Line) -> Webhooks {
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let builder = builder.answer_limit(ANSWER_LIMIT);
    builder.open(&line.address()).await.unwrap()
}

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

#[tokio::test]
async fn an_engine_goes_on_after_all_its_connections_fell_silent() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let line = Line::to(cluster.port()).await;
    let webhooks = open(&line).await;
    let receiver = Receiver::start().await.unwrap();
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    webhooks.send("acme", event("before")).await.unwrap();
    receiver.wait_for(1).await;
    assert!(webhooks.event("acme", "before").await.unwrap().is_some());
    line.silence();
    let began = Instant::now();
    // The writer's, a reader's, and that of the thread that beats.
    let (sent, read) = tokio::join!(
        webhooks.send("acme", event("silence")),
        webhooks.event("acme", "before"),
    );
    assert!(began.elapsed() < SILENCE_MAX, "{:?}", began.elapsed());
    // Nothing was under way on either: they are made anew.
    assert_eq!(sent.unwrap().deliveries, 1);
    assert!(read.unwrap().is_some());
    receiver.wait_for(2).await;
    until("nothing is owed", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    let alive = cluster.query("select count(*) from hooks.node where alive");
    assert_eq!(alive.unwrap(), "1", "it was never taken for dead");
}

#[tokio::test]
async fn a_commit_whose_answer_never_comes_is_looked_up() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let line = Line::to(cluster.port()).await;
    let webhooks = open(&line).await;
    let receiver = Receiver::start().await.unwrap();
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    for statement in super::failover::HOLD_COMMITS {
        cluster.query(statement).unwrap();
    }
    let sending = webhooks.clone();
    let began = Instant::now();
    let sent = tokio::spawn(async move { sending.send("acme", event("held")).await });
    until("the commit waits", async || {
        cluster.query(super::failover::WAITING).unwrap() == "1|0"
    })
    .await;
    // The server commits it, and what it says of that is lost.
    line.silence();
    let sent = sent.await.unwrap().unwrap();
    assert_eq!(sent.deliveries, 1);
    assert!(began.elapsed() < 2 * SILENCE_MAX, "{:?}", began.elapsed());
    receiver.wait_for(1).await;
    until("nothing is owed", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(receiver.event_ids(), ["held"]);
}

#[tokio::test]
async fn a_commit_that_nobody_can_look_up_is_answered_all_the_same() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let line = Line::to(cluster.port()).await;
    let webhooks = open(&line).await;
    for statement in super::failover::HOLD_COMMITS {
        cluster.query(statement).unwrap();
    }
    let sending = webhooks.clone();
    let sent = tokio::spawn(async move { sending.send("acme", event("held")).await });
    until("the commit waits", async || {
        cluster.query(super::failover::WAITING).unwrap() == "1|0"
    })
    .await;
    // Who connects anew is taken in, and hears nothing either.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    line.leads_to(silent.local_addr().unwrap().port());
    line.silence();
    let began = Instant::now();
    let refused = sent.await.unwrap().unwrap_err();
    assert!(began.elapsed() < 2 * SILENCE_MAX, "{:?}", began.elapsed());
    let is_unknown = matches!(refused, SendError::Store(StoreError::Unknown));
    assert!(is_unknown, "{refused:?}");
}

#[tokio::test]
async fn an_engine_is_not_opened_for_ever_on_a_server_that_says_nothing() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let began = Instant::now();
    let refused = Webhooks::open(&format!("postgres://app@127.0.0.1:{port}/shop")).await;
    let refused = refused.unwrap_err().to_string();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(refused.contains("no connection within"), "{refused}");
}
