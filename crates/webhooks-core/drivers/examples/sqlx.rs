//! sqlx fills the outbox table in its own transaction: the order and its event, both or neither.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use webhooks_core::{Webhooks, testing::Receiver};

async fn place_order(pool: &SqlitePool, number: i64, pay: bool) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("insert into orders (number) values (?)")
        .bind(number)
        .execute(&mut *tx)
        .await?;
    sqlx::query("insert into webhooks_outbox (customer, type, data, event_id) values (?, ?, ?, ?)")
        .bind("acme")
        .bind("order:placed")
        .bind(format!(r#"{{"number":{number}}}"#))
        .bind(format!("order-{number}"))
        .execute(&mut *tx)
        .await?;
    if pay {
        tx.commit().await
    } else {
        tx.rollback().await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("app.db");

    // The app, as it was before it had webhooks: tables and a user_version of its own.
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    for statement in [
        "create table orders (number integer primary key)",
        "create table event (what text)",
        "pragma user_version = 42",
    ] {
        sqlx::query(statement).execute(&pool).await?;
    }

    let receiver = Receiver::start().await?;
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&format!("sqlite:{}", file.display()))
        .await?;
    webhooks.endpoints("acme").add(receiver.url()).await?;

    place_order(&pool, 1, true).await?;
    place_order(&pool, 2, false).await?;
    place_order(&pool, 3, true).await?;

    // Nothing tells the engine: it notices the commits.
    for request in receiver.wait_for(2).await {
        println!("{}", String::from_utf8_lossy(&request.body));
    }
    webhooks.shutdown(Duration::from_secs(10)).await;
    pool.close().await;
    Ok(())
}
