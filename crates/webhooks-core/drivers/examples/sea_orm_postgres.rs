//! SeaORM fills the outbox table in its own transaction in Postgres: the order and its event, both or neither.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait, Set, TransactionTrait,
};
use serde_json::json;
use webhooks_core::{Webhooks, testing::Receiver};

mod orders {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "orders")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod outbox {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(schema_name = "webhooks", table_name = "outbox")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub customer: String,
        #[sea_orm(column_name = "type")]
        pub event_type: String,
        pub data: Json,
        pub event_id: Option<String>,
        pub refused: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn place_order(app: &DatabaseConnection, number: i64, pay: bool) -> Result<(), DbErr> {
    let tx = app.begin().await?;
    let order = orders::ActiveModel {
        number: Set(number),
    };
    orders::Entity::insert(order)
        .exec_without_returning(&tx)
        .await?;
    let event = outbox::ActiveModel {
        customer: Set("acme".to_owned()),
        event_type: Set("order:placed".to_owned()),
        data: Set(json!({"number": number})),
        event_id: Set(Some(format!("order-{number}"))),
        ..Default::default()
    };
    outbox::Entity::insert(event)
        .exec_without_returning(&tx)
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
        .ok_or("usage: sea_orm_postgres postgres://<address>")?;
    let app = Database::connect(&address).await?;
    app.execute_unprepared("create table orders (number int8 primary key)")
        .await?;

    let receiver = Receiver::start().await?;
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&address)
        .await?;
    webhooks.endpoints("acme").add(receiver.url()).await?;

    place_order(&app, 1, true).await?;
    place_order(&app, 2, false).await?;
    place_order(&app, 3, true).await?;

    // Nothing tells the engine: it notices the commits.
    for request in receiver.wait_for(2).await {
        println!("{}", String::from_utf8_lossy(&request.body));
    }
    webhooks.shutdown(Duration::from_secs(10)).await;
    app.close().await?;
    Ok(())
}
