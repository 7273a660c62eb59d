//! A snapshot that somebody holds open, so that no dead row goes.

use std::time::Duration;

use scratch_postgres::Database;
use sqlx::{Connection, Executor, PgConnection};
use webhooks_core::{Event, NewEndpoint, RetrySchedule, testing::Receiver};

use super::{open_with, until};

const EVENTS: usize = 1_000;

#[tokio::test]
async fn all_goes_on_while_somebody_holds_an_old_snapshot() {
    let database = Database::create().unwrap();
    let soon = RetrySchedule::new([Duration::from_millis(20); 5]).unwrap();
    let webhooks = open_with(&database, |builder| builder.retry(soon)).await;
    let (plain, ordered) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    let acme = webhooks.endpoints("acme");
    acme.add(plain.url()).await.unwrap();
    let endpoint = NewEndpoint::new(ordered.url()).ordered(true);
    acme.add(endpoint).await.unwrap();
    let mut holder = PgConnection::connect(database.url()).await.unwrap();
    let begin = "begin isolation level repeatable read; select count(*) from hooks.delivery";
    holder.execute(begin).await.unwrap();
    let ids: Vec<String> = (0..EVENTS).map(|n| format!("e{n}")).collect();
    for id in ids.iter().step_by(50) {
        plain.respond_to(id, [500, 200]);
        ordered.respond_to(id, [500, 200]);
    }
    for id in &ids {
        webhooks
            .send("acme", Event::new("a", &1).id(id))
            .await
            .unwrap();
    }
    until("all is delivered", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    let mut arrived = ordered.event_ids();
    arrived.dedup();
    assert_eq!(arrived, ids);
    let retries = EVENTS / 50;
    assert_eq!(plain.event_ids().len(), EVENTS + retries);
    // It is the snapshot of before.
    let seen = holder.fetch_one("select count(*) from hooks.event").await;
    assert_eq!(sqlx::Row::get::<i64, _>(&seen.unwrap(), 0), 0);
}
