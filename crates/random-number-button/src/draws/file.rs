//! Draws in the file that is also the engine's store.

use webhooks_core::{Event, Transaction, TransactionError, Webhooks};

use super::record::{EVENT_TYPE, KEPT, journey, to_ms};
use crate::journey::Journey;

/// Creates the table if it does not exist.
pub(super) async fn prepare(webhooks: &Webhooks) -> Result<(), TransactionError> {
    webhooks
        .transaction(|tx| {
            tx.execute(
                "create table if not exists draw (
                     seq integer primary key,
                     event_id text not null unique,
                     number integer not null,
                     drawn_at_ms integer not null
                 ) strict",
                (),
            )?;
            Ok(())
        })
        .await
}

/// Stores a draw and sends its event; returns once both are on disk.
pub(super) async fn send(
    webhooks: &Webhooks,
    customer: &'static str,
    journey: &Journey,
) -> Result<(), TransactionError> {
    let (event_id, number) = (journey.event_id.clone(), journey.number);
    let drawn_at_ms = to_ms(journey.drawn_at);
    webhooks
        .transaction(move |tx| {
            tx.execute(
                "insert into draw (event_id, number, drawn_at_ms) values (?1, ?2, ?3)",
                (&event_id, number, drawn_at_ms),
            )?;
            forget_old(tx)?;
            tx.send(customer, Event::new(EVENT_TYPE, &number).id(event_id))?;
            Ok(())
        })
        .await
}

/// Only what the page can show is kept; the events themselves follow the engine's retention.
fn forget_old(tx: &Transaction<'_>) -> Result<(), TransactionError> {
    tx.execute(
        "delete from draw where seq <= (select max(seq) from draw) - ?1",
        [KEPT],
    )?;
    Ok(())
}

/// The recorded draws, as journeys about which nothing more is known.
pub(super) async fn restore(webhooks: &Webhooks) -> Result<Vec<Journey>, TransactionError> {
    webhooks
        .transaction(|tx| {
            tx.query_rows(
                "select event_id, number, drawn_at_ms from draw order by seq",
                (),
                |row| Ok(journey(row.get(0)?, row.get(1)?, row.get(2)?)),
            )
        })
        .await
}
