//! Diesel fills the outbox table in its own transaction in Postgres: the order and its event, both or neither.

use std::time::Duration;

use diesel::{
    Connection, ExpressionMethods, PgConnection, QueryResult, RunQueryDsl,
    connection::SimpleConnection,
};
use serde_json::json;
use webhooks_core::{Webhooks, testing::Receiver};

diesel::table! {
    orders (number) {
        number -> BigInt,
    }
}

diesel::table! {
    webhooks.outbox (id) {
        id -> BigInt,
        customer -> Text,
        #[sql_name = "type"]
        event_type -> Text,
        data -> Json,
        event_id -> Nullable<Text>,
        refused -> Nullable<Text>,
    }
}

fn place_order(connection: &mut PgConnection, number: i64, pay: bool) -> QueryResult<()> {
    connection.transaction(|connection| {
        diesel::insert_into(orders::table)
            .values(orders::number.eq(number))
            .execute(connection)?;
        diesel::insert_into(outbox::table)
            .values((
                outbox::customer.eq("acme"),
                outbox::event_type.eq("order:placed"),
                outbox::data.eq(json!({"number": number})),
                outbox::event_id.eq(format!("order-{number}")),
            ))
            .execute(connection)?;
        if pay {
            Ok(())
        } else {
            Err(diesel::result::Error::RollbackTransaction)
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("usage: diesel_postgres postgres://<address>")?;
    let mut connection = PgConnection::establish(&address)?;
    connection.batch_execute("create table orders (number int8 primary key)")?;

    let receiver = Receiver::start().await?;
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&address)
        .await?;
    webhooks.endpoints("acme").add(receiver.url()).await?;

    place_order(&mut connection, 1, true)?;
    if place_order(&mut connection, 2, false).is_ok() {
        return Err("the second order was not rolled back".into());
    }
    place_order(&mut connection, 3, true)?;

    // Nothing tells the engine: it notices the commits.
    for request in receiver.wait_for(2).await {
        println!("{}", String::from_utf8_lossy(&request.body));
    }
    webhooks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
