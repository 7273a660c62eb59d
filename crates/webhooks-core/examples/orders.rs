//! An order and its event in one transaction, with axum and sqlx: neither without the other.
//!
//! ```console
//! cargo run -p webhooks-core --features postgres --example orders -- \
//!     postgres://app:password@localhost/shop http://localhost:9000/hooks
//! curl --json '{"number": 7, "item": "a book"}' localhost:3000/orders
//! ```
//!
//! Start as many as you like on one database, each with a `PORT` of its own.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use sqlx::{Executor, PgPool};
use webhooks_core::{Event, SendError, Webhooks};

const CUSTOMER: &str = "acme";

#[derive(Clone)]
struct Shop {
    pool: PgPool,
    webhooks: Webhooks,
}

#[derive(Serialize, Deserialize)]
struct Order {
    number: i64,
    item: String,
}

async fn place(
    State(shop): State<Shop>,
    Json(order): Json<Order>,
) -> Result<StatusCode, OrderError> {
    // ANCHOR: send_in
    let mut tx = shop.pool.begin().await?;
    sqlx::query("insert into orders (number, item) values ($1, $2)")
        .bind(order.number)
        .bind(&order.item)
        .execute(&mut *tx)
        .await?;
    let event = Event::new("order:placed", &order);
    let sent = shop.webhooks.send_in(&mut tx, CUSTOMER, event).await?;
    tx.commit().await?;
    sent.deliver_now();
    // ANCHOR_END: send_in
    Ok(StatusCode::CREATED)
}

/// Why an order was not placed. Its transaction is rolled back by then, and its event with it.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Event(#[from] SendError),
}

impl IntoResponse for OrderError {
    fn into_response(self) -> Response {
        let is_taken = matches!(&self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation());
        if is_taken {
            return (StatusCode::CONFLICT, "there is an order of this number").into_response();
        }
        tracing::error!(error = %self, "an order was not placed");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

#[tokio::main]
#[allow(clippy::print_stdout)] // A demo talks to whoever runs it.
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, url] = &arguments[..] else {
        return Err(
            "usage: orders postgres://<user>:<password>@<host>/<database> <URL of a receiver>"
                .into(),
        );
    };
    let pool = PgPool::connect(database).await?;
    pool.execute(
        "create table if not exists orders (number bigint primary key, item text not null)",
    )
    .await?;
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8", "::1/128"])? // this machine; not in production
        .open(database)
        .await?;
    let endpoints = webhooks.endpoints(CUSTOMER);
    if endpoints.list().await?.is_empty() {
        endpoints.add(url.as_str()).await?;
    }
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}/orders", listener.local_addr()?);
    let shop = Shop {
        pool,
        webhooks: webhooks.clone(),
    };
    let router = Router::new().route("/orders", post(place)).with_state(shop);
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            // Without the signal it runs on.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    webhooks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
