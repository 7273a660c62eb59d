//! What an app's transaction can do, and what it is kept from.
#![cfg(feature = "testing")]

use webhooks_core::{
    Event, SEND_ALL_MAX, SendError, Transaction, TransactionError, rusqlite::Connection,
};

use crate::world::{World, seconds};

/// Runs statements in a transaction of their own, each as an app would.
async fn run(
    world: &World,
    statements: impl IntoIterator<Item = &'static str> + Send + 'static,
) -> Result<(), TransactionError> {
    let ran = world.webhooks.transaction(move |tx| {
        for statement in statements {
            tx.execute(statement, [])?;
        }
        Ok(())
    });
    ran.await
}

/// The statement is refused, in these words, and what was sent before it is not stored.
async fn refused(world: &World, statement: &'static str, words: &str) {
    let refused = world
        .webhooks
        .transaction(move |tx| -> Result<(), TransactionError> {
            tx.send("acme", Event::new("random_number:generate", &1))?;
            tx.execute(statement, [])?;
            Ok(())
        });
    let said = refused.await.expect_err(statement).to_string();
    assert!(said.contains(words), "{statement}: {said}");
    // By way of the connection too, without the reason.
    let refused = world
        .webhooks
        .transaction(move |tx| -> Result<(), TransactionError> {
            tx.send("acme", Event::new("random_number:generate", &1))?;
            tx.connection().execute_batch(statement)?;
            Ok(())
        });
    let said = refused.await.expect_err(statement).to_string();
    assert!(said.contains("not authorized"), "{statement}: {said}");
}

#[tokio::test]
async fn a_transaction_cannot_be_ended_from_inside() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    for statement in [
        "commit",
        " ; -- a comment\n/* and one more */ COMMIT",
        "end transaction",
        "rollback",
        "begin",
    ] {
        refused(&world, statement, "the engine begins and ends").await;
    }
    for statement in [
        "savepoint mine",
        "savepoint webhooks_act",
        "release webhooks_act",
        "rollback to webhooks_act",
    ] {
        refused(&world, statement, "Transaction::savepoint").await;
    }
    world.webhooks.drain().await;
    assert!(world.receiver.requests().is_empty(), "nothing was stored");
}

#[tokio::test]
async fn an_apps_statements_cannot_touch_our_tables() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    run(&world, ["create table draw (number integer)"])
        .await
        .unwrap();
    for statement in [
        "delete from webhooks_event",
        "DELETE FROM Webhooks_Delivery",
        "update webhooks_endpoint set state = 'removed'",
        "insert into webhooks_lane values (1, 2, 3, 4)",
        "insert into main.webhooks_setting values ('boot', 1)",
        "replace into webhooks_schema values (1)",
        "with gone as (select 1) delete from webhooks_attempt",
        "drop table webhooks_ending",
        "drop index webhooks_event_id",
        "alter table webhooks_event add column theirs",
        "alter table webhooks_outbox rename to theirs",
        "create index theirs on webhooks_event (body)",
        "create trigger theirs after insert on webhooks_event begin select 1; end",
        "create temp trigger theirs after insert on webhooks_event begin select 1; end",
    ] {
        refused(&world, statement, "belongs to the library").await;
    }
    // Nor by way of a trigger on a table of the app's.
    run(
        &world,
        ["create trigger through after insert on draw begin delete from webhooks_event; end"],
    )
    .await
    .unwrap();
    refused(
        &world,
        "insert into draw values (1)",
        "belongs to the library",
    )
    .await;
    let read = world.webhooks.transaction(|tx| {
        tx.query_row("select count(*) from webhooks_event", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    assert_eq!(
        read.await.unwrap(),
        0,
        "nothing was stored, and it can be read"
    );
}

#[tokio::test]
async fn how_the_connection_stores_things_is_not_the_apps_to_change() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    for statement in [
        "pragma journal_mode = delete",
        "pragma synchronous = off",
        "PRAGMA main.synchronous = OFF",
        "pragma locking_mode = exclusive",
        "pragma wal_autocheckpoint = 0",
        "pragma wal_checkpoint",
        "pragma writable_schema = 1",
        "pragma foreign_keys = off",
        "pragma query_only = 1",
    ] {
        refused(&world, statement, "is refused in a transaction").await;
    }
    refused(&world, "attach ':memory:' as other", "attach and detach").await;
    run(
        &world,
        ["pragma user_version = 7", "pragma application_id = 8"],
    )
    .await
    .unwrap();
    let number = world
        .webhooks
        .transaction(|tx| tx.query_row("pragma user_version", [], |row| row.get::<_, i64>(0)));
    assert_eq!(number.await.unwrap(), 7);
}

#[tokio::test]
async fn the_engine_goes_on_after_a_closure_that_panicked_in_the_middle() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    let panicked = world
        .webhooks
        .transaction(|tx| -> Result<(), TransactionError> {
            tx.savepoint(|_| -> Result<(), TransactionError> { panic!("the app has a bug") })
        });
    panicked.await.unwrap_err();
    // Its own statements are not taken for the app's.
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").remove(&id).await.unwrap();
    world.send("after").await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["after"]);
}

#[tokio::test]
async fn rows_can_be_read_and_the_connection_does_the_rest() {
    let world = World::new().await;
    let read = world
        .webhooks
        .transaction(|tx| -> Result<_, TransactionError> {
            tx.connection().execute_batch(
                "create table draw (number integer); create index d on draw (number)",
            )?;
            for number in [3, 1, 2] {
                tx.execute("insert into draw values (?1)", [number])?;
            }
            let count = |connection: &Connection| {
                connection.query_row("select count(*) from draw", [], |row| row.get::<_, i64>(0))
            };
            let rows = tx.query_rows("select number from draw order by 1", [], |row| {
                row.get::<_, i64>(0)
            })?;
            Ok((count(tx.connection())?, rows))
        });
    assert_eq!(read.await.unwrap(), (3, vec![1, 2, 3]));
}

#[tokio::test]
async fn several_events_of_a_transaction_are_sent_whole_or_not_at_all() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    let event = |id: &str| Event::new("random_number:generate", &1).id(id.to_owned());
    let sent = world
        .webhooks
        .transaction(move |tx| -> Result<_, TransactionError> {
            let conflict = Event::new("random_number:generate", &2).id("a");
            let refused = tx.send_all("acme", [event("a"), event("b"), conflict]);
            assert!(
                matches!(refused, Err(TransactionError::Send(SendError::Conflict(_)))),
                "{refused:?}"
            );
            let many = (0..=SEND_ALL_MAX).map(|_| Event::new("a", &1));
            let refused = tx.send_all("acme", many);
            assert!(
                matches!(
                    refused,
                    Err(TransactionError::Send(SendError::TooMany { .. }))
                ),
                "{refused:?}"
            );
            tx.send_all("acme", [event("c"), event("d")])
        });
    assert_eq!(sent.await.unwrap().len(), 2);
    world.webhooks.drain().await;
    let mut arrived = world.receiver.event_ids();
    arrived.sort();
    assert_eq!(arrived, ["c", "d"]);
}

#[tokio::test]
async fn what_a_savepoint_sent_is_taken_back_with_it() {
    #[derive(Debug)]
    struct Unwanted;
    impl From<TransactionError> for Unwanted {
        fn from(error: TransactionError) -> Self {
            panic!("{error}")
        }
    }
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    let event = |id: &str| Event::new("random_number:generate", &1).id(id.to_owned());
    let draw = |tx: &Transaction<'_>| tx.execute("insert into draw values (1)", []);
    let counted = world
        .webhooks
        .transaction(move |tx| -> Result<_, Unwanted> {
            tx.execute("create table draw (number)", [])?;
            let taken_back = tx.savepoint(|tx| -> Result<(), Unwanted> {
                draw(tx)?;
                tx.send("acme", event("taken-back"))?;
                tx.savepoint(|tx| tx.send("acme", event("inner")).map_err(Unwanted::from))?;
                Err(Unwanted)
            });
            assert!(taken_back.is_err());
            tx.savepoint(|tx| -> Result<(), Unwanted> {
                draw(tx)?;
                tx.send("acme", event("kept"))?;
                Ok(())
            })?;
            Ok(tx.query_row("select count(*) from draw", [], |row| row.get::<_, i64>(0))?)
        });
    assert_eq!(counted.await.unwrap(), 1);
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["kept"]);
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn an_event_that_was_sent_before_is_a_duplicate_and_the_callers_rows_stay() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    world.send("order-1").await;
    let event = Event::new("random_number:generate", &1).id("order-1");
    let sent = world
        .webhooks
        .transaction(move |tx| {
            tx.execute("create table app_order (id integer)", [])?;
            tx.send("acme", event)
        })
        .await
        .unwrap();
    assert!(sent.duplicate);
    run(&world, ["insert into app_order values (1)"])
        .await
        .unwrap();
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 1);
}

/// A map is written in another order each time; that must not undo what the caller did.
#[tokio::test]
async fn an_event_in_another_order_of_its_keys_is_a_duplicate_and_the_callers_rows_stay() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    run(&world, ["create table app_order (id integer)"])
        .await
        .unwrap();
    for (data, is_again) in [
        (r#"{"a":1,"b":2.0}"#, false),
        (r#"{"b":2,"a":1}"#, true),
        (r#"{"b":2,"a":1e0}"#, true),
    ] {
        let data = serde_json::value::RawValue::from_string(data.to_owned()).unwrap();
        let event = Event::new("order", &data).id("order-1");
        let sent = world.webhooks.transaction(move |tx| {
            tx.execute("insert into app_order values (1)", [])?;
            tx.send("acme", event)
        });
        assert_eq!(sent.await.unwrap().duplicate, is_again);
    }
    let count = "select count(*) from app_order";
    let orders = world
        .webhooks
        .transaction(move |tx| tx.query_row(count, [], |row| row.get::<_, i64>(0)));
    assert_eq!(orders.await.unwrap(), 3);
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_statement_that_rolls_everything_back_does_not_refuse_what_stands_behind_it() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    let release = world.hold_writer().await;
    let rolls_back = run(
        &world,
        [
            "create table once (number unique)",
            "insert or rollback into once values (1), (1)",
        ],
    );
    let behind = run(&world, ["create table behind (number)"]);
    let event = Event::new("random_number:generate", &1).id("sent");
    let sent = world.webhooks.send("acme", event);
    let (rolls_back, behind, sent, ()) =
        tokio::join!(biased; rolls_back, behind, sent, async { drop(release) });
    let said = rolls_back.unwrap_err().to_string();
    assert!(said.contains("UNIQUE constraint failed"), "{said}");
    behind.unwrap();
    sent.unwrap();
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["sent"]);
    run(&world, ["insert into behind values (1)"])
        .await
        .unwrap();
    world.webhooks.shutdown(seconds(5)).await;
}

/// An app's own error, which knows of the library only that its transactions can fail.
#[derive(Debug, thiserror::Error)]
enum AppError {
    #[error("the app thought better of {0}")]
    ThoughtBetter(u16),
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

#[tokio::test]
async fn the_apps_rows_and_its_events_are_stored_together() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    let made = world
        .webhooks
        .transaction(|tx| tx.execute("create table draw (number integer)", []));
    made.await.unwrap();
    let sent = world
        .webhooks
        .transaction(|tx| -> Result<_, TransactionError> {
            tx.execute("insert into draw values (?1)", [7])?;
            tx.send("acme", Event::new("random_number:generate", &7))
        });
    assert_eq!(sent.await.unwrap().deliveries, 1);
    let refused = world.webhooks.transaction(|tx| {
        tx.execute("insert into draw values (?1)", [8])?;
        tx.send("acme", Event::new("random_number:generate", &8))?;
        Err::<(), _>(AppError::ThoughtBetter(8))
    });
    let refused = refused.await.unwrap_err();
    assert!(matches!(refused, AppError::ThoughtBetter(8)), "{refused:?}");
    let count = world.webhooks.transaction(|tx| {
        tx.query_row("select count(*) from draw", [], |row| row.get::<_, i64>(0))
    });
    assert_eq!(count.await.unwrap(), 1);
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 1);
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_closure_that_panics_takes_only_its_transaction_with_it() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    let panicked = world
        .webhooks
        .transaction(|tx| -> Result<(), TransactionError> {
            tx.send("acme", Event::new("a", &1))?;
            panic!("the app has a bug");
        });
    assert_eq!(
        panicked.await.unwrap_err().to_string(),
        "the transaction's closure panicked; nothing of it was stored"
    );
    world.send("after").await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["after"]);
}

#[tokio::test]
async fn an_event_that_could_not_be_stored_whole_is_not_stored_though_its_closure_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    for _ in 0..2 {
        world.endpoint(|endpoint| endpoint).await;
    }
    // The second endpoint's delivery cannot be stored.
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "create trigger fault before insert on webhooks_delivery when new.endpoint_key = 2
             begin select raise(abort, 'planted'); end",
        )
        .unwrap();
    let event = || Event::new("random_number:generate", &1).id("a");
    let went_on = world
        .webhooks
        .transaction(move |tx| -> Result<_, TransactionError> {
            let refused = tx.send("acme", event());
            Ok(refused.is_err())
        });
    assert!(went_on.await.unwrap(), "it was refused");
    connection.execute_batch("drop trigger fault").unwrap();
    let sent = world.webhooks.send("acme", event()).await.unwrap();
    assert_eq!((sent.duplicate, sent.deliveries), (false, 2));
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["a", "a"], "one for each");
}
