//! Moving a store from a file to Postgres.
#![cfg(feature = "sqlite")]

mod interrupted;
mod old;
mod refusals;

use std::{collections::BTreeMap, num::NonZeroU32, path::Path};

use scratch_postgres::{Database, Pooler};
use webhooks_core::{
    CopyReport, EndpointState, Event, NewEndpoint, SendError, Webhooks, copy,
    testing::ReceivedRequest,
};

use super::{address, until};
use crate::world::{hours, seconds};
use old::{EVENTS, Old, event, said, send};

/// Rows of each table, as a report has them.
fn rows(report: &CopyReport) -> BTreeMap<&str, u64> {
    let rows = report.tables.iter().map(|table| {
        assert_eq!(table.from, table.to, "{table}");
        (table.name, table.to)
    });
    rows.collect()
}

#[tokio::test]
async fn what_an_engine_says_of_its_store_is_the_same_after_a_copy() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    let report = copy(&old.address(), &address(&database)).await.unwrap();
    let rows = rows(&report);
    assert_eq!(rows["endpoint"], 7, "{report:?}");
    assert_eq!(rows["endpoint_secret"], 7, "{report:?}");
    assert_eq!(rows["event"], 8, "{report:?}");
    assert_eq!(rows["outbox"], 1, "{report:?}");
    let webhooks = old.builder().open(&address(&database)).await.unwrap();
    webhooks.drain().await;
    let now = said(&webhooks).await;
    for (before, now) in old.said.iter().zip(&now) {
        assert_eq!(before, now);
    }
    assert_eq!(old.said.len(), now.len());
    let refused = webhooks.refused_in_outbox(0).await.unwrap();
    assert_eq!(refused[0].reason, "a trigger said no");
}

/// The ids that arrived at a path, in their order.
fn ids<'a>(requests: &'a [ReceivedRequest], path: &str) -> Vec<&'a str> {
    let there = requests.iter().filter(|request| request.target == path);
    there.map(|request| request.header("webhook-id")).collect()
}

/// Time passes until retries and endpoints in trouble had their turn.
async fn deliver(old: &Old, webhooks: &Webhooks) {
    webhooks.drain().await;
    for _ in 0..30 {
        old.clock.advance(seconds(60));
        webhooks.drain().await;
    }
}

#[tokio::test]
async fn what_was_pending_is_delivered_and_signed_with_the_secrets_of_before() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    old.insert("insert into webhooks_outbox (customer, type, data, event_id) values ('acme', 'late', '{\"n\": [1, \"ä\"]}', 'a-row')");
    copy(&old.address(), &address(&database)).await.unwrap();
    let before = old.receiver.requests().len();
    for id in ["canceled", "tried-1", "tried-2"] {
        old.receiver.respond_to(id, [200]);
    }
    let webhooks = old.builder().open(&address(&database)).await.unwrap();
    let acme = webhooks.endpoints("acme");
    for endpoint in acme.list().await.unwrap() {
        if endpoint.state == EndpointState::Paused {
            acme.resume(&endpoint.id).await.unwrap();
        }
    }
    until("the row of the outbox table is an event", async || {
        webhooks.event("acme", "a-row").await.unwrap().is_some()
    })
    .await;
    send(&webhooks, "acme", "new").await;
    deliver(&old, &webhooks).await;
    assert_eq!(webhooks.pending().await.unwrap(), 0);

    let requests = old.receiver.requests().split_off(before);
    assert_eq!(
        ids(&requests, "/ordered"),
        ["canceled", "tried-1", "tried-2", "behind", "a-row", "new"]
    );
    let mut plain = ids(&requests, "/plain");
    plain.sort_unstable();
    assert_eq!(plain, ["a-row", "behind", "new", "tried-1", "tried-2"]);
    let mut paused = ids(&requests, "/paused");
    paused.sort_unstable();
    assert_eq!(paused[..3], ["a-row", "behind", "canceled"]);
    assert_eq!(ids(&requests, "/removed"), [""; 0]);
    assert_eq!(ids(&requests, "/disabled"), [""; 0]);
    let globex = requests
        .iter()
        .filter(|request| request.target == "/globex");
    let globex: Vec<&ReceivedRequest> = globex.collect();
    assert_eq!(globex.len(), 2);
    for secret in &old.secrets {
        let verifier = standardwebhooks::Webhook::new(&secret.expose()).unwrap();
        for request in &globex {
            let header = |name: &str| request.header(name).to_owned();
            let at = header("webhook-timestamp").parse().unwrap();
            let signature = verifier
                .sign(&header("webhook-id"), at, &request.body)
                .unwrap();
            let signatures = header("webhook-signature");
            assert!(
                signatures.split(' ').any(|one| one == signature),
                "{signature} is not one of {signatures}"
            );
        }
    }
}

#[tokio::test]
async fn ids_and_numbers_go_on_after_a_copy() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    copy(&old.address(), &address(&database)).await.unwrap();
    let webhooks = old.builder().open(&address(&database)).await.unwrap();
    for id in EVENTS {
        let sent = webhooks.send("acme", event(id)).await.unwrap();
        assert!(sent.duplicate, "{id}");
    }
    let other = Event::new("another", &1).id("delivered");
    let refused = webhooks.send("acme", other).await;
    assert!(
        matches!(refused, Err(SendError::Conflict(_))),
        "{refused:?}"
    );
    send(&webhooks, "acme", "new").await;
    let order = database
        .query("select id from hooks.event where customer = 'acme' order by seq desc limit 2")
        .unwrap();
    assert_eq!(order.trim(), "new\nbehind");
    let slots = database
        .query("select count(distinct slot), count(distinct customer) from hooks.delivery join hooks.event on seq = event_seq")
        .unwrap();
    assert_eq!(slots.trim(), "2|2");
    let added = webhooks.endpoints("acme").add(old.receiver.url()).await;
    let listed = webhooks.endpoints("acme").list().await.unwrap();
    assert_eq!(listed.last().unwrap().id, added.unwrap().id);
    // A second attempt of one that was delivered before.
    let plain = listed[0].id.clone();
    webhooks
        .endpoints("acme")
        .resend(&plain, "delivered")
        .await
        .unwrap();
    // It is in trouble: what is due of it is tried by and by.
    deliver(&old, &webhooks).await;
    let deliveries = webhooks.deliveries("acme", "delivered").await.unwrap();
    let numbers = deliveries[0].attempts.iter().map(|attempt| attempt.number);
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2]);
    let row =
        "insert into hooks.outbox (customer, type, data) values ('acme', 'late', '2') returning id";
    assert!(database.query(row).unwrap().starts_with('2'));
}

#[tokio::test]
async fn the_time_between_the_two_engines_is_no_wait_of_a_delivery() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    copy(&old.address(), &address(&database)).await.unwrap();
    old.clock.advance(hours(96));
    let webhooks = old.builder().open(&address(&database)).await.unwrap();
    let hours = database
        .query("select round((ended_at - began_at) / 3600000.0) from hooks.outage")
        .unwrap();
    assert_eq!(hours.trim(), "96");
    webhooks.drain().await;
    for id in ["tried-1", "tried-2"] {
        for delivery in webhooks.deliveries("acme", id).await.unwrap() {
            let state = format!("{:?}", delivery.state);
            assert!(!state.contains("Expired"), "{id}: {state}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_whose_order_or_limits_hold_over_all_nodes_gets_a_lane_that_one_node_owns() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create().unwrap());
    let from = format!("sqlite:{}", folder.path().join("w.db").display());
    let webhooks = Webhooks::open(&from).await.unwrap();
    let acme = webhooks.endpoints("acme");
    let new = || NewEndpoint::new("https://acme.example/hooks");
    for endpoint in [
        new(),
        new().ordered(true),
        new().in_flight(2),
        new().per_second(NonZeroU32::MIN),
        new().header("x-own", "in_flight"),
    ] {
        acme.add(endpoint).await.unwrap();
    }
    let paused = acme.list().await.unwrap()[3].id.clone();
    acme.pause(&paused).await.unwrap();
    webhooks.shutdown(seconds(5)).await;
    drop(webhooks);
    copy(&from, &address(&database)).await.unwrap();
    let lanes = database
        .query("select endpoint_key, owned, due_at is not null from hooks.lane order by 1")
        .unwrap();
    // Nobody has those that are active yet: they are due.
    assert_eq!(lanes.trim(), "2|t|t\n3|t|t\n4|t|f");
}

#[tokio::test]
async fn a_file_of_an_earlier_version_is_brought_to_the_present_one_first() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create().unwrap());
    let file = folder.path().join("w.db");
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/version-2.db");
    std::fs::copy(old, &file).unwrap();
    let from = format!("sqlite:{}", file.display());
    let report = copy(&from, &address(&database)).await.unwrap();
    assert!(rows(&report)["event"] > 0, "{report:?}");
    let before = Webhooks::open(&from).await.unwrap();
    let now = Webhooks::open(&address(&database)).await.unwrap();
    let customers = database
        .query("select customer, id from hooks.event order by seq")
        .unwrap();
    for line in customers.lines() {
        let (customer, id) = line.split_once('|').unwrap();
        // Its times are ahead of the present: what is shown of them depends on when it is opened.
        let before = before.event(customer, id).await.unwrap().unwrap();
        let now = now.event(customer, id).await.unwrap().unwrap();
        assert_eq!((before.body, before.event_type), (now.body, now.event_type));
    }
}

#[tokio::test]
async fn a_store_is_copied_through_a_pooler_too() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    let pooler = Pooler::start(database.url()).unwrap();
    let to = format!("{}?schema=hooks&mode=pooled", pooler.url());
    let report = copy(&old.address(), &to).await.unwrap();
    assert_eq!(rows(&report)["event"], 8, "{report:?}");
}
