//! Tables that a newer version of the library has changed, and this one beside it.

use scratch_postgres::Database;
use webhooks_core::{Event, NewEndpoint, OpenError, Webhooks, testing::Receiver};

use super::{address, open};

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
    assert_eq!(database.query(version).unwrap(), "4");
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
                found: 5,
                known: 3,
                ..
            }
        ),
        "{refused}"
    );
    let told = refused.to_string();
    assert!(
        told.contains("version 5") && told.contains("up to 3"),
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
    let newer = "update hooks.setting set value = 4 where name = 'version'";
    database.query(newer).unwrap();
    let refused = Webhooks::open(&address(&database)).await.unwrap_err();
    assert!(matches!(refused, OpenError::Newer { .. }), "{refused}");
}
