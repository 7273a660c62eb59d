//! A server that takes no writes for a while: its disk is full, or it is read-only.

use std::{sync::Arc, time::Duration};

use scratch_postgres::{Cluster, Database, Settings};
use webhooks_core::{
    Event, SendError, StoreError, Webhooks,
    testing::{ManualClock, Receiver},
};

use super::{address, open, until};
use crate::world::{builder, gate::Gate, log::Log, seconds};

/// What Postgres says when it finds no space for a row.
const FILL: [&str; 3] = [
    "create function hooks.full() returns trigger language plpgsql as $$
     begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$",
    "create trigger \"full\" before insert on hooks.event for each row execute function hooks.full()",
    "create trigger \"full\" before insert on hooks.attempt for each row execute function hooks.full()",
];
const EMPTY: &str = "drop function hooks.full() cascade";

async fn send(webhooks: &Webhooks, id: &str) -> Result<usize, SendError> {
    let sent = webhooks.send("acme", Event::new("a", &1).id(id)).await;
    sent.map(|receipt| receipt.deliveries)
}

async fn nothing_is_owed(webhooks: &Webhooks) {
    until("nothing is owed", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
}

async fn in_flight(webhooks: &Webhooks) -> Arc<Gate> {
    let (gate, url) = Gate::start().await;
    webhooks.endpoints("acme").add(url).await.unwrap();
    send(webhooks, "before").await.unwrap();
    gate.wait_for(1).await;
    gate
}

#[tokio::test]
async fn a_full_disk_of_postgres_refuses_sends_and_keeps_outcomes_until_there_is_space() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let gate = in_flight(&webhooks).await;
    for statement in FILL {
        database.query(statement).unwrap();
    }
    gate.open("before", 200);
    for n in 0..20 {
        let refused = send(&webhooks, &format!("refused{n}")).await;
        let is_full = matches!(refused, Err(SendError::Store(StoreError::Full)));
        assert!(is_full, "{refused:?}");
    }
    assert_eq!(webhooks.pending().await.unwrap(), 1, "its outcome waits");
    database.query(EMPTY).unwrap();
    nothing_is_owed(&webhooks).await;
    gate.open("after", 200);
    assert_eq!(send(&webhooks, "after").await.unwrap(), 1);
    nothing_is_owed(&webhooks).await;
    assert_eq!(gate.arrived(), ["before", "after"]);
    let attempts = database.query("select count(*) from hooks.attempt");
    assert_eq!(attempts.unwrap(), "2");
}

#[tokio::test]
async fn a_full_disk_of_postgres_is_said_once_in_ten_seconds_and_its_end_too() {
    let log = Log::of_process();
    let database = Database::create().unwrap();
    let clock = Arc::<ManualClock>::default();
    let webhooks = builder(&clock).open(&address(&database)).await.unwrap();
    for statement in FILL {
        database.query(statement).unwrap();
    }
    let refused = async |count: usize| {
        for n in 0..count {
            send(&webhooks, &format!("refused{n}")).await.unwrap_err();
        }
    };
    refused(30).await;
    assert_eq!(log.refusals_said(1..=1), [1]);
    clock.advance(seconds(11));
    refused(10).await;
    // Above what a test of another store has refused in the same process.
    assert_eq!(log.refusals_said(21..=40), [31]);
    database.query(EMPTY).unwrap();
    send(&webhooks, "after").await.unwrap();
    assert_eq!(log.stored_again(40), 1);
}

#[tokio::test]
async fn a_server_that_is_read_only_is_called_so_and_goes_on_when_it_is_not() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let database = cluster.database().unwrap();
    let webhooks = open(&database).await;
    let gate = in_flight(&webhooks).await;
    let read_only = |value: &str| {
        let set = format!("alter system set default_transaction_read_only = {value}");
        cluster.query(&set).unwrap();
        cluster.query("select pg_reload_conf()").unwrap();
        // Those who are connected are told before others can be.
        let is_told = || cluster.query("show default_transaction_read_only").unwrap() == value;
        while !is_told() {}
    };
    read_only("on");
    until("it is told", async || {
        matches!(
            send(&webhooks, "refused").await,
            Err(SendError::Store(StoreError::ReadOnly))
        )
    })
    .await;
    gate.open("before", 200);
    // What is read does not change anything.
    assert_eq!(webhooks.pending().await.unwrap(), 1);
    // For longer than this engine may go on without saying that it lives.
    tokio::time::sleep(Duration::from_secs(8)).await;
    read_only("off");
    gate.open("after", 200);
    until("it is stored", async || {
        send(&webhooks, "after").await.is_ok()
    })
    .await;
    nothing_is_owed(&webhooks).await;
    assert_eq!(gate.arrived().last().unwrap(), "after");
    assert_eq!(gate.arrived().len(), 2, "{:?}", gate.arrived());
}

#[tokio::test]
async fn calls_are_answered_while_a_server_starts_and_stored_afterwards() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let database = cluster.database().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    send(&webhooks, "before").await.unwrap();
    receiver.wait_for(1).await;
    cluster.stop(scratch_postgres::Stop::Immediate).unwrap();
    let refused = send(&webhooks, "down").await.unwrap_err();
    assert!(matches!(refused, SendError::Store(_)), "{refused:?}");
    cluster.start_again().unwrap();
    until("it is stored", async || {
        send(&webhooks, "after").await.is_ok()
    })
    .await;
    nothing_is_owed(&webhooks).await;
    assert_eq!(receiver.event_ids(), ["before", "after"]);
}
