//! Behind PgBouncer in transaction mode: each transaction may have another connection of the server's.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use scratch_postgres::{Cluster, Pooler, Settings};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use webhooks_core::{Event, NewEndpoint, RetrySchedule, Webhooks, testing::Receiver};

use super::until;

const CALLERS: usize = 16;
/// Events of each caller.
const SENDS: usize = 25;

/// An app's connection through the pooler, as sqlx has to be told.
async fn app(pooler: &Pooler) -> PgConnection {
    let options: PgConnectOptions = pooler.url().parse().unwrap();
    options.statement_cache_capacity(0).connect().await.unwrap()
}

async fn send(webhooks: &Webhooks, id: &str) {
    // Some are refused while the pooler is away; the id makes it safe to repeat them.
    until("it is stored", async || {
        let event = Event::new("a", &1).id(id);
        webhooks.send("acme", event).await.is_ok()
    })
    .await;
}

/// In a transaction of the app's, every second one rolled back.
async fn send_in(webhooks: &Webhooks, pooler: &Pooler, number: usize) -> Option<String> {
    let id = format!("in{number}");
    let mut app = app(pooler).await;
    let mut tx = app.begin().await.unwrap();
    let event = Event::new("a", &1).id(&id);
    let sent = webhooks.send_in(&mut tx, "acme", event).await.unwrap();
    if number % 2 == 1 {
        tx.rollback().await.unwrap();
        return None;
    }
    tx.commit().await.unwrap();
    sent.deliver_now();
    Some(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_callers_send_through_a_pooler_that_is_restarted_meanwhile() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let database = cluster.database().unwrap();
    let mut pooler = Pooler::start(database.url()).unwrap();
    let soon = RetrySchedule::new([Duration::from_millis(20); 8]).unwrap();
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let address = format!("{}?schema=hooks&mode=pooled", pooler.url());
    let webhooks = builder.retry(soon).open(&address).await.unwrap();
    let (plain, ordered) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    let acme = webhooks.endpoints("acme");
    let added = acme.add(plain.url()).await.unwrap();
    let endpoint = NewEndpoint::new(ordered.url()).ordered(true);
    let in_order = acme.add(endpoint).await.unwrap();
    for caller in 0..CALLERS {
        plain.respond_to(&format!("{caller}-3"), [500, 500, 200]);
        ordered.respond_to(&format!("{caller}-7"), [500, 200]);
    }
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let webhooks = webhooks.clone();
            tokio::spawn(async move {
                for n in 0..SENDS {
                    send(&webhooks, &format!("{caller}-{n}")).await;
                }
            })
        })
        .collect();
    // The app's own transactions and management go on beside them.
    let sent_in = join_all((0..10).map(|n| send_in(&webhooks, &pooler, n))).await;
    acme.pause(&added.id).await.unwrap();
    acme.rotate_secret(&added.id, None, Duration::ZERO)
        .await
        .unwrap();
    acme.resume(&added.id).await.unwrap();
    acme.pause(&in_order.id).await.unwrap();
    acme.resume(&in_order.id).await.unwrap();
    tokio::task::block_in_place(|| pooler.restart()).unwrap();
    for caller in callers {
        caller.await.unwrap();
    }
    until("all is delivered", async || {
        matches!(webhooks.pending().await, Ok(0))
    })
    .await;
    let mut wanted: BTreeSet<String> = sent_in.into_iter().flatten().collect();
    for caller in 0..CALLERS {
        wanted.extend((0..SENDS).map(|n| format!("{caller}-{n}")));
    }
    let unordered: BTreeSet<String> = plain.event_ids().into_iter().collect();
    assert_eq!(unordered, wanted);
    let mut first = BTreeSet::new();
    let mut arrived = ordered.event_ids();
    arrived.retain(|id| first.insert(id.clone()));
    assert_eq!(first, wanted);
    for caller in 0..CALLERS {
        let own = arrived
            .iter()
            .filter(|id| id.starts_with(&format!("{caller}-")));
        let sent: Vec<String> = (0..SENDS).map(|n| format!("{caller}-{n}")).collect();
        assert!(own.eq(&sent), "{arrived:?}");
    }
    webhooks
        .send("acme", Event::new("a", &1).id("after"))
        .await
        .unwrap();
    let explained = webhooks.deliveries("acme", "after").await.unwrap();
    assert_eq!(explained.len(), 2);
}
