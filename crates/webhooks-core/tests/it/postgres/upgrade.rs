//! Tables that a newer version of the library has changed, and this one beside it.

use scratch_postgres::Database;
use sqlx::{Connection, PgConnection};
use webhooks_core::{Event, NewEndpoint, OpenError, Webhooks, testing::Receiver};

use super::{address, open, until};

/// What the next version does to the tables, as far as programs of this one can tell.
const ADDS: &str = "
    begin;
    alter table hooks.delivery add column later int8 not null default 0;
    alter table hooks.endpoint add column later text;
    create table hooks.later (id int8 primary key);
    update hooks.setting set value = value + 1 where name = 'version';
    commit";
/// One after that, which takes away what this version needs.
const TAKES_AWAY: &str = "
    update hooks.setting set value = value + 2 where name = 'version';
    update hooks.setting set value = (select value from hooks.setting where name = 'version')
    where name = 'oldest_reader'";

async fn send(webhooks: &Webhooks, count: usize) {
    for _ in 0..count {
        webhooks.send("acme", Event::new("a", &1)).await.unwrap();
    }
}

#[tokio::test]
async fn programs_go_on_beside_a_newer_one_that_only_added_and_can_be_started_again() {
    let database = Database::create().unwrap();
    let before = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = before.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    let ordered = NewEndpoint::new(receiver.url()).ordered(true);
    endpoints.add(ordered).await.unwrap();
    send(&before, 5).await;
    database.query(ADDS).unwrap();
    send(&before, 5).await;
    // Rolled back, or started anew by whatever looks after it, while newer ones run.
    let after = open(&database).await;
    send(&after, 5).await;
    receiver.wait_for(30).await;
    for webhooks in [&before, &after] {
        assert_eq!(webhooks.nodes().await.unwrap().len(), 2);
        assert_eq!(webhooks.endpoints("acme").list().await.unwrap().len(), 2);
    }
    // Its own, older version is not noted in place of the newer one.
    let version = "select value from hooks.setting where name = 'version'";
    assert_eq!(database.query(version).unwrap(), "6");
}

/// Tables as the first version made them, and a node of it at work: it knows nothing of arrivals.
#[tokio::test]
async fn a_lane_of_a_program_that_knows_no_arrivals_is_dated_by_one_that_does() {
    let database = Database::create().unwrap();
    let first = &webhooks_core::postgres::migrations("hooks").unwrap()[0];
    assert_eq!(first.version, 1);
    database.query(&first.sql).unwrap();
    let webhooks = open(&database).await;
    let version = "select value from hooks.setting where name = 'version'";
    assert_eq!(database.query(version).unwrap(), "5");
    let receiver = Receiver::start().await.unwrap();
    let ordered = NewEndpoint::new(receiver.url()).ordered(true);
    webhooks.endpoints("acme").add(ordered).await.unwrap();
    let others = "
        begin;
        insert into hooks.node values (1000, 'of the first version', now() + interval '1 hour', 0, true);
        update hooks.lane set node = 1000;
        commit";
    database.query(others).unwrap();
    let mut app = PgConnection::connect(database.url()).await.unwrap();
    let mut tx = app.begin().await.unwrap();
    let event = Event::new("a", &1);
    webhooks.send_in(&mut tx, "acme", event).await.unwrap();
    tx.commit().await.unwrap();
    until("the lane is due, and its owner's", async || {
        let lanes =
            "select node, due_at is not null, (select count(*) from hooks.arrival) from hooks.lane";
        database.query(lanes).unwrap() == "1000|t|0"
    })
    .await;
}

#[tokio::test]
async fn tables_that_this_version_cannot_work_on_are_refused_with_both_versions() {
    let database = Database::create().unwrap();
    drop(open(&database).await);
    database.query(TAKES_AWAY).unwrap();
    let refused = Webhooks::open(&address(&database)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Newer {
                found: 7,
                known: 5,
                ..
            }
        ),
        "{refused}"
    );
    let told = refused.to_string();
    assert!(
        told.contains("version 7") && told.contains("up to 5"),
        "{told}"
    );
    assert!(told.contains("newer version of webhooks-core"), "{told}");
}

#[tokio::test]
async fn tables_of_a_time_before_the_oldest_reader_was_noted_are_opened() {
    let database = Database::create().unwrap();
    drop(open(&database).await);
    let forget = "delete from hooks.setting where name = 'oldest_reader'";
    database.query(forget).unwrap();
    open(&database).await;
    // Of newer ones without the word nothing is assumed.
    let newer = "update hooks.setting set value = 6 where name = 'version'";
    database.query(newer).unwrap();
    let refused = Webhooks::open(&address(&database)).await.unwrap_err();
    assert!(matches!(refused, OpenError::Newer { .. }), "{refused}");
}
