//! The numbers that were drawn, in a table of the button's own beside the engine's: a draw and
//! its event are stored in one commit, so that neither is ever there without the other.

use std::time::{Duration, SystemTime};

use webhooks_core::{Event, Transaction, TransactionError, Webhooks};

use crate::{journey::Journey, journeys::KEPT_MAX};

/// The event type of the talk.
const EVENT_TYPE: &str = "random_number:generate";

/// Makes the table when it is not there.
pub(crate) async fn prepare(webhooks: &Webhooks) -> Result<(), TransactionError> {
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
pub(crate) async fn send(
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

/// Only what the page can show is kept; the events themselves have the engine's retention.
fn forget_old(tx: &Transaction<'_>) -> Result<(), TransactionError> {
    let kept = i64::try_from(KEPT_MAX).unwrap_or(i64::MAX);
    tx.execute(
        "delete from draw where seq <= (select max(seq) from draw) - ?1",
        [kept],
    )?;
    Ok(())
}

/// The draws on record, as journeys of which nothing more is known.
pub(crate) async fn restore(webhooks: &Webhooks) -> Result<Vec<Journey>, TransactionError> {
    webhooks
        .transaction(|tx| {
            tx.query_rows(
                "select event_id, number, drawn_at_ms from draw order by seq",
                (),
                |row| {
                    let drawn_at_ms: i64 = row.get(2)?;
                    let drawn_at =
                        SystemTime::UNIX_EPOCH + Duration::from_millis(drawn_at_ms.unsigned_abs());
                    Ok(Journey::new(row.get(0)?, row.get(1)?, drawn_at))
                },
            )
        })
        .await
}

fn to_ms(at: SystemTime) -> i64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
