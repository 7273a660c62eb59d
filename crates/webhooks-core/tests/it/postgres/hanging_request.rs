//! While a receiver takes its time, nothing of the database is held for it.

use scratch_postgres::{Cluster, Settings};
use webhooks_core::{
    DeliveryState, Event, NewEndpoint, Webhooks,
    testing::{Answer, Receiver},
};

use super::until;

/// Our sessions that are in a transaction, or have anything locked. Now and then one is, for a moment.
const HOLDING: &str = "
    select count(*) from pg_stat_activity a
    where application_name = 'webhooks-core'
          and (xact_start is not null or exists (select from pg_locks l where l.pid = a.pid))";

#[tokio::test]
async fn nothing_of_the_database_is_held_while_a_request_hangs() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let address = format!("{}?schema=hooks", cluster.url());
    let webhooks = builder.open(&address).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    receiver.respond([Answer::hang()]);
    let endpoints = webhooks.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    let ordered = NewEndpoint::new(receiver.url()).ordered(true);
    endpoints.add(ordered).await.unwrap();
    webhooks
        .send("acme", Event::new("a", &1).id("hangs"))
        .await
        .unwrap();
    receiver.wait_for(2).await;
    until("nothing is held", async || {
        cluster.query(HOLDING).unwrap() == "0"
    })
    .await;
    // Whoever wants all of a table has it.
    let take = "begin; set local lock_timeout = '1s';
                lock table hooks.delivery, hooks.lane, hooks.event in access exclusive mode; commit";
    cluster.query(take).unwrap();
    for delivery in webhooks.deliveries("acme", "hangs").await.unwrap() {
        assert_eq!(delivery.state, DeliveryState::InFlight);
    }
}
