//! What a scan for what is due asks of the database: each question is a round trip.

use std::time::Duration;

use scratch_postgres::{Cluster, Settings};
use sqlx::{Connection, PgConnection};
use webhooks_core::{Event, NewEndpoint, RetrySchedule, Webhooks, testing::Receiver};

use super::scissors::Scissors;

/// Takes what an app's transaction left word of.
const TAKES_ARRIVALS: &str = "select event_seq, endpoint_key from hooks.arrival";
/// Takes single retries that are due.
const TAKES_RETRIES: &str = "not d.lane and d.due_at <= $1";
/// Takes lanes that are due.
const TAKES_LANES: &str = "from hooks.lane
    where failures > 0";

#[tokio::test]
async fn a_scan_looks_for_rows_of_those_kinds_alone_of_which_something_is_due() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let scissors = Scissors::before(cluster.port()).await;
    let soon = RetrySchedule::new([Duration::from_millis(50); 5]).unwrap();
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let opened = builder.retry(soon).open(&scissors.address()).await;
    let webhooks = opened.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    let event = |id: &str| Event::new("a", &1).id(id);

    receiver.respond_to("retried", [500, 200]);
    scissors.listen();
    webhooks.send("acme", event("retried")).await.unwrap();
    receiver.wait_for(2).await;
    let heard = scissors.heard();
    let asked = |what: &str| heard.iter().filter(|said| said.contains(what)).count();
    assert_eq!(asked(TAKES_RETRIES), 1, "{heard:#?}");
    assert_eq!(asked(TAKES_ARRIVALS), 0, "{heard:#?}");
    assert_eq!(asked(TAKES_LANES), 0, "{heard:#?}");

    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    webhooks.endpoints("other").add(endpoint).await.unwrap();
    let mut app = PgConnection::connect(&cluster.url()).await.unwrap();
    let mut tx = app.begin().await.unwrap();
    let arrives = event("arrives");
    let sent = webhooks.send_in(&mut tx, "other", arrives).await.unwrap();
    tx.commit().await.unwrap();
    scissors.listen();
    sent.deliver_now();
    receiver.wait_for(3).await;
    let heard = scissors.heard();
    let asked = heard.iter().filter(|said| said.contains(TAKES_ARRIVALS));
    assert_eq!(asked.count(), 1, "{heard:#?}");
}
