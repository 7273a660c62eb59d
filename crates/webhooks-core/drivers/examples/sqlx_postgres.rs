//! sqlx 0.8 fills the outbox table in its own transaction in Postgres: the order and its event, both or neither.
//! The engine beside it has another version of sqlx.

use std::time::Duration;

use sqlx::postgres::PgPool;
use webhooks_core::{Webhooks, testing::Receiver};

async fn place_order(pool: &PgPool, number: i64, pay: bool) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("insert into orders (number) values ($1)")
        .bind(number)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "insert into webhooks.outbox (customer, type, data, event_id) values ($1, $2, $3::json, $4)",
    )
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
    let address = std::env::args()
        .nth(1)
        .ok_or("usage: sqlx_postgres postgres://<address>")?;
    let pool = PgPool::connect(&address).await?;
    sqlx::query("create table orders (number int8 primary key)")
        .execute(&pool)
        .await?;

    let receiver = Receiver::start().await?;
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&address)
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
