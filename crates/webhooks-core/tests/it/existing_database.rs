//! The engine in a database that an app has already.
#![cfg(feature = "testing")]

use std::path::PathBuf;

use rusqlite::Connection;
use webhooks_core::OpenError;

use crate::world::{World, builder, seconds};

struct App {
    _folder: tempfile::TempDir,
    file: PathBuf,
    connection: Connection,
}

impl App {
    fn new(schema: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.db");
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch(schema).unwrap();
        Self {
            _folder: folder,
            file,
            connection,
        }
    }

    fn number(&self, sql: &str) -> i64 {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }
}

/// Every name that our own tables and indexes once had, and numbers of the app's own.
const SCHEMA: &str = "
    create table setting (theirs text);
    create table endpoint (theirs text);
    create table endpoint_secret (theirs text);
    create table event (theirs text);
    create table delivery (theirs text);
    create table lane (theirs text);
    create table attempt (theirs text);
    create table ending (theirs text);
    create table webhooks_log (theirs text);
    create index event_id on event (theirs);
    create index delivery_due on delivery (theirs);
    insert into event values ('kept');
    pragma application_id = 77;
    pragma user_version = 42";

#[tokio::test]
async fn an_apps_database_with_its_own_tables_gets_webhooks() {
    let app = App::new(SCHEMA);
    let world = World::on_file(&app.file).await;
    world.endpoint(|endpoint| endpoint).await;
    world.send("a").await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    // The next migration of the app, while the engine runs.
    app.connection
        .execute_batch("create table lane_due (theirs text); pragma user_version = 43")
        .unwrap();
    world.webhooks.shutdown(seconds(5)).await;
    let reopened = World::on_file(&app.file).await;
    assert_eq!(
        reopened
            .webhooks
            .deliveries("acme", "a")
            .await
            .unwrap()
            .len(),
        1
    );
    reopened.webhooks.shutdown(seconds(5)).await;
    assert_eq!(
        app.number("select count(*) from event where theirs = 'kept'"),
        1
    );
    assert_eq!(app.number("pragma user_version"), 43);
    assert_eq!(app.number("pragma application_id"), 77);
}

#[tokio::test]
async fn everything_of_ours_in_an_apps_database_has_our_prefix() {
    let app = App::new("create table theirs (x)");
    World::on_file(&app.file)
        .await
        .webhooks
        .shutdown(seconds(5))
        .await;
    let others = "select count(*) from sqlite_schema
                  where name not like 'webhooks\\_%' escape '\\' and name not like 'sqlite\\_%' escape '\\'";
    assert_eq!(app.number(others), 1);
}

#[tokio::test]
async fn an_app_that_has_a_table_of_our_name_is_left_as_it_was() {
    let app = App::new("create table Webhooks_Event (theirs text)");
    let before = std::fs::read(&app.file).unwrap();
    let refused = builder(&std::sync::Arc::default())
        .open(&format!("sqlite:{}", app.file.display()))
        .await;
    let Err(error @ OpenError::NameTaken { .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("\"webhooks_event\""), "{error}");
    assert!(before == std::fs::read(&app.file).unwrap());
}
