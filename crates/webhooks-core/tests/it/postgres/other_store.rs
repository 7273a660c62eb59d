//! What one store alone has says so on the other.

use scratch_postgres::Database;
use sqlx::{Connection, PgConnection};
use webhooks_core::{Event, SendError, TransactionError, Webhooks};

use super::open;

#[tokio::test]
async fn a_transaction_of_the_engines_is_refused_on_postgres_and_sends_nothing() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let event = Event::new("a", &1).id("never");
    let refused = webhooks.transaction(|tx| tx.send("acme", event)).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, TransactionError::NotSqlite),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("send_in"), "{refused}");
    assert_eq!(webhooks.event("acme", "never").await.unwrap(), None);
}

#[tokio::test]
async fn a_send_in_an_apps_transaction_is_refused_on_sqlite_and_leaves_that_as_it_was() {
    let database = Database::create().unwrap();
    let webhooks = Webhooks::open("sqlite::memory:").await.unwrap();
    let mut app = PgConnection::connect(database.url()).await.unwrap();
    let mut tx = app.begin().await.unwrap();
    let event = Event::new("a", &1).id("never");
    let refused = webhooks.send_in(&mut tx, "acme", event).await.unwrap_err();
    assert!(matches!(refused, SendError::NotPostgres), "{refused:?}");
    assert!(refused.to_string().contains("transaction"), "{refused}");
    sqlx::query("select 1").execute(&mut *tx).await.unwrap();
    assert_eq!(webhooks.event("acme", "never").await.unwrap(), None);
}
