//! Draws in a table of the database that is also the engine's store: several buttons may share it.

use std::str::FromStr;

use sqlx::{
    PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use webhooks_core::{Event, Webhooks};

use super::{
    error::DrawError,
    record::{EVENT_TYPE, KEPT, journey, to_ms},
};
use crate::journey::Journey;

/// A press needs one for a few milliseconds.
const CONNECTIONS_MAX: u32 = 4;
/// The lock by which two buttons that start at once create the table one after the other: "draw".
const LOCK_KEY: i64 = 0x6472_6177;

/// The table of draws.
#[derive(Debug, Clone)]
pub(crate) struct Table(PgPool);

impl Table {
    /// Creates it if it does not exist.
    pub(super) async fn open(address: &str) -> sqlx::Result<Self> {
        let options = PgConnectOptions::from_str(address)?
            .application_name("random-number-button")
            // Hides the notice that the table already exists.
            .options([("client_min_messages", "warning")]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .connect_with(options)
            .await?;
        let mut tx = pool.begin().await?;
        sqlx::query("select pg_advisory_xact_lock($1)")
            .bind(LOCK_KEY)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "create table if not exists draw (
                 seq int8 primary key generated always as identity,
                 event_id text not null unique,
                 number int4 not null,
                 drawn_at_ms int8 not null
             )",
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Self(pool))
    }

    pub(super) async fn send(
        &self,
        webhooks: &Webhooks,
        customer: &str,
        journey: &Journey,
    ) -> Result<(), DrawError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("insert into draw (event_id, number, drawn_at_ms) values ($1, $2, $3)")
            .bind(&journey.event_id)
            .bind(i32::from(journey.number))
            .bind(to_ms(journey.drawn_at))
            .execute(&mut *tx)
            .await?;
        sqlx::query("delete from draw where seq <= (select max(seq) from draw) - $1")
            .bind(KEPT)
            .execute(&mut *tx)
            .await?;
        let event = Event::new(EVENT_TYPE, &journey.number).id(&*journey.event_id);
        let sent = webhooks.send_in(&mut tx, customer, event).await?;
        tx.commit().await?;
        sent.deliver_now();
        Ok(())
    }

    pub(super) async fn restore(&self) -> sqlx::Result<Vec<Journey>> {
        let rows = sqlx::query("select event_id, number, drawn_at_ms from draw order by seq")
            .fetch_all(&self.0)
            .await?;
        rows.iter()
            .map(|row| {
                let number: i32 = row.try_get(1)?;
                let number = u16::try_from(number).unwrap_or_default();
                Ok(journey(row.try_get(0)?, number, row.try_get(2)?))
            })
            .collect()
    }
}
