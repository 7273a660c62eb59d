//! Diesel fills the outbox table in its own transaction: the order and its event, both or neither.

use std::time::Duration;

use diesel::{
    Connection, ExpressionMethods, QueryResult, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
};
use webhooks_core::{Webhooks, testing::Receiver};

diesel::table! {
    orders (number) {
        number -> BigInt,
    }
}

diesel::table! {
    webhooks_outbox (id) {
        id -> BigInt,
        customer -> Text,
        #[sql_name = "type"]
        event_type -> Text,
        data -> Text,
        event_id -> Nullable<Text>,
        refused -> Nullable<Text>,
    }
}

fn place_order(connection: &mut SqliteConnection, number: i64, pay: bool) -> QueryResult<()> {
    connection.transaction(|connection| {
        diesel::insert_into(orders::table)
            .values(orders::number.eq(number))
            .execute(connection)?;
        diesel::insert_into(webhooks_outbox::table)
            .values((
                webhooks_outbox::customer.eq("acme"),
                webhooks_outbox::event_type.eq("order:placed"),
                webhooks_outbox::data.eq(format!(r#"{{"number":{number}}}"#)),
                webhooks_outbox::event_id.eq(format!("order-{number}")),
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
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("app.db").display().to_string();
    let mut connection = SqliteConnection::establish(&file)?;
    connection.batch_execute(
        "pragma busy_timeout = 5000;
         create table orders (number integer primary key);",
    )?;

    let receiver = Receiver::start().await?;
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&format!("sqlite:{file}"))
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
