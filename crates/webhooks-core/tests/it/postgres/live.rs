//! The live stream over several nodes: who reads it at one learns what the others do, while he reads.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all};
use scratch_postgres::Database;
use sqlx::postgres::PgListener;
use webhooks_core::{
    Activity, ActivityKind, ActivityStream, Event, NextStep, Webhooks, testing::Receiver,
};

use super::{PATIENCE, address, open, until};

const EVENTS: usize = 300;
/// Longer than it takes a node to tell what it has to.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

async fn send(webhooks: &Webhooks, name: &str, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|n| format!("{name}{n}")).collect();
    let sends = ids
        .iter()
        .map(|id| webhooks.send("acme", Event::new("a", &1).id(id.clone())));
    for sent in join_all(sends).await {
        sent.unwrap();
    }
    ids
}

async fn next(stream: &mut ActivityStream) -> Activity {
    let next = tokio::time::timeout(PATIENCE, stream.next());
    next.await.unwrap().unwrap()
}

/// Sends at `from` until `stream` tells of it.
async fn until_heard(from: &Webhooks, stream: &mut ActivityStream, name: &str) {
    for n in 0.. {
        send(from, &format!("{name}-{n}-"), 1).await;
        let heard = tokio::time::timeout(TOLD_WITHIN, async {
            while !next(stream).await.event_id.unwrap().starts_with(name) {}
        });
        if heard.await.is_ok() {
            return;
        }
        assert!(n < 60, "{name} is not heard of");
    }
}

/// How often each of these events is said to have arrived, once all are.
async fn arrivals(stream: &mut ActivityStream, events: &[String]) -> BTreeMap<String, usize> {
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    while events.iter().any(|event| !arrived.contains_key(event)) {
        let Activity { event_id, kind, .. } = next(stream).await;
        assert!(!matches!(kind, ActivityKind::Missed(_)), "{kind:?}");
        let is_arrival = matches!(
            &kind,
            ActivityKind::Attempted { attempt, next: NextStep::Done }
                if attempt.status == Some(200) && attempt.number == 1
        );
        if let (Some(event), true) = (event_id, is_arrival) {
            *arrived.entry(event).or_default() += 1;
        }
    }
    arrived
}

fn listening(database: &Database) -> usize {
    let query = "select count(*) from hooks.node where alive and listens";
    database.query(query).unwrap().trim().parse().unwrap()
}

/// How many notifications come on the channel within a time in which all are told.
async fn told(listener: &mut PgListener) -> usize {
    let mut count = 0;
    while tokio::time::timeout(TOLD_WITHIN, listener.recv())
        .await
        .is_ok()
    {
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_at_one_node_learns_what_each_does_and_costs_nothing_once_he_is_gone() {
    let database = Database::create().unwrap();
    let nodes = join_all((0..3).map(|_| open(&database))).await;
    let receiver = Receiver::start().await.unwrap();
    let acme = nodes[0].endpoints("acme");
    acme.add(receiver.url()).await.unwrap();
    let mut listener = PgListener::connect(database.url()).await.unwrap();
    listener.listen("hooks.live").await.unwrap();
    for round in 0..2 {
        let mut stream = nodes[1].subscribe();
        for (n, node) in nodes.iter().enumerate() {
            until_heard(node, &mut stream, &format!("first-{round}-{n}")).await;
        }
        let sent = nodes
            .iter()
            .enumerate()
            .map(|(n, node)| async move { send(node, &format!("{round}-{n}-"), EVENTS).await });
        let sent = join_all(sent).await.concat();
        let arrived = arrivals(&mut stream, &sent).await;
        for event in &sent {
            assert_eq!(arrived[event], 1, "{event}");
        }
        assert!(told(&mut listener).await > 0);
        drop(stream);
        until("nobody reads", async || listening(&database) == 0).await;
        // The others learn that with their next beat.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        told(&mut listener).await;
        send(&nodes[0], &format!("unread-{round}-"), 20).await;
        until("all is delivered", async || {
            nodes[0].pending().await.unwrap() == 0
        })
        .await;
        assert_eq!(told(&mut listener).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_killed_is_told_nothing_when_its_lease_is_over() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let acme = webhooks.endpoints("acme");
    acme.add(receiver.url()).await.unwrap();
    let mut listener = PgListener::connect(database.url()).await.unwrap();
    listener.listen("hooks.live").await.unwrap();
    let killed = "insert into hooks.node (id, name, seen_at, reached_at, alive, listens)
                  values (nextval('hooks.node_id'), 'killed', clock_timestamp(), 0, true, true)";
    database.query(killed).unwrap();
    for is_told in [true, false] {
        let end = Instant::now() + PATIENCE;
        loop {
            told(&mut listener).await;
            send(&webhooks, &uuid::Uuid::now_v7().to_string(), 1).await;
            if (told(&mut listener).await > 0) == is_told {
                break;
            }
            assert!(Instant::now() < end, "told: {is_told}");
        }
    }
    assert_eq!(listening(&database), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_a_node_tells_what_it_does_itself() {
    let database = Database::create().unwrap();
    let other = open(&database).await;
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let pooled = format!("{}&mode=pooled", address(&database));
    let pooled = builder.open(&pooled).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let acme = other.endpoints("acme");
    acme.add(receiver.url()).await.unwrap();
    let mut at_pooled = pooled.subscribe();
    let mut at_other = other.subscribe();
    until("it is known who reads", async || listening(&database) == 1).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    send(&other, "other", 3).await;
    let own = send(&pooled, "own", 3).await;
    assert_eq!(arrivals(&mut at_pooled, &own).await.len(), 3);
    let others: Vec<String> = (0..3).map(|n| format!("other{n}")).collect();
    assert_eq!(arrivals(&mut at_other, &others).await.len(), 3);
}
