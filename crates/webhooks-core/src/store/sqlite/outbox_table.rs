//! The outbox table: rows that any program put into `webhooks_outbox` in its own transaction become
//! events here, each exactly once, in the order of their ids.
//!
//! A row leaves the table in the transaction that stores its event. A row that cannot become an
//! event stays, with the reason in `refused`, and holds nothing up.

use rusqlite::{Connection, Row, params, types::ValueRef};
use serde_json::value::RawValue;

use super::{
    error::of_sqlite,
    send::{Scope, store_events},
    statement::Statements,
    tx::Tx,
};
use crate::{
    event::{EVENT_BYTES_MAX, Event, EventError, check_customer, shorten},
    model::outbox_rows::{REFUSED_ROWS_MAX, RefusedRow, TAKE_ROWS, TakenRows},
    send::SendError,
    store::error::StoreError,
};

/// Bytes of data taken in one transaction, for the same reason.
const TAKE_BYTES: usize = 4 * 1024 * 1024;

/// Whether a row is waiting.
pub(crate) fn has_rows(connection: &Connection) -> Result<bool, StoreError> {
    connection.has_row(
        "select 1 from webhooks_outbox where refused is null limit 1",
        [],
    )
}

/// Takes the waiting rows, up to a bound.
pub(crate) fn take(tx: &mut Tx<'_>) -> Result<TakenRows, StoreError> {
    let mut taken = TakenRows::default();
    let mut bytes = 0;
    for _ in 0..TAKE_ROWS {
        // Uses the index webhooks_outbox_waiting. One row at a time: they can be of any size.
        let row = tx.connection.find_row(
            "select id, customer, type, iif(length(data) > ?1, null, data), event_id, length(data)
             from webhooks_outbox where refused is null order by id limit 1",
            [i64::try_from(EVENT_BYTES_MAX).unwrap_or(i64::MAX)],
            WaitingRow::read,
        )?;
        let Some(row) = row else {
            return Ok(taken);
        };
        bytes += row.data_bytes;
        let id = row.id;
        match row.store(tx) {
            Ok(()) => {
                tx.connection
                    .run("delete from webhooks_outbox where id = ?1", [id])?;
                taken.events += 1;
            }
            Err(RowError::Refused(reason)) => {
                tracing::warn!(
                    outbox.id = id,
                    reason,
                    "a row of the outbox table cannot become an event; it stays there, and holds nothing up"
                );
                tx.connection.run(
                    "update webhooks_outbox set refused = ?2 where id = ?1",
                    params![id, reason],
                )?;
            }
            Err(RowError::Store(error)) => return Err(error),
        }
        if bytes >= TAKE_BYTES {
            break;
        }
    }
    taken.more = has_rows(tx.connection)?;
    Ok(taken)
}

/// The refused rows after `after`, in the order of their ids.
pub(crate) fn refused_rows(
    connection: &Connection,
    after: i64,
) -> Result<Vec<RefusedRow>, StoreError> {
    let limit = i64::try_from(REFUSED_ROWS_MAX).unwrap_or(i64::MAX);
    connection.read_rows(
        "select id, customer, type, event_id, refused from webhooks_outbox
         where refused is not null and id > ?1 order by id limit ?2",
        [after, limit],
        |row| {
            let shown = |column| {
                Ok::<_, rusqlite::Error>(text(row.get_ref(column)?).as_deref().map(shorten))
            };
            Ok(RefusedRow {
                id: row.get(0)?,
                customer: shown(1)?.unwrap_or_default(),
                event_type: shown(2)?.unwrap_or_default(),
                event_id: shown(3)?,
                reason: shown(4)?.unwrap_or_default(),
            })
        },
    )
}

/// Makes a refused row wait again. False if there is none with this id.
pub(crate) fn retry(tx: &Tx<'_>, id: i64) -> Result<bool, StoreError> {
    let changed = tx.connection.run(
        "update webhooks_outbox set refused = null where id = ?1 and refused is not null",
        [id],
    )?;
    Ok(changed > 0)
}

/// A row as it was found: SQLite also stores values that do not match a column's type.
struct WaitingRow {
    id: i64,
    customer: Option<String>,
    event_type: Option<String>,
    /// `None` if it is too large or is not text.
    data: Option<String>,
    event_id: Option<Option<String>>,
    data_bytes: usize,
}

enum RowError {
    /// What is wrong with this row.
    Refused(String),
    /// The store refused, and would refuse the next row too.
    Store(StoreError),
}

impl WaitingRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let event_id = row.get_ref(4)?;
        let length: i64 = row.get::<_, Option<i64>>(5)?.unwrap_or_default();
        Ok(Self {
            id: row.get(0)?,
            customer: text(row.get_ref(1)?),
            event_type: text(row.get_ref(2)?),
            data: text(row.get_ref(3)?),
            event_id: match event_id {
                ValueRef::Null => Some(None),
                value => text(value).map(Some),
            },
            data_bytes: usize::try_from(length).unwrap_or(usize::MAX),
        })
    }

    /// Stores the row's event, or nothing of it.
    fn store(self, tx: &mut Tx<'_>) -> Result<(), RowError> {
        let refused = |reason: &str| Err(RowError::Refused(reason.to_owned()));
        if self.data_bytes > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge(self.data_bytes).into());
        }
        let (Some(customer), Some(event_type)) = (self.customer, self.event_type) else {
            return refused("customer and type must be text");
        };
        let Some(event_id) = self.event_id else {
            return refused("event_id must be text or null");
        };
        let Some(data) = self.data else {
            return refused("data must be text: JSON");
        };
        check_customer(&customer)?;
        let data: &RawValue =
            serde_json::from_str(&data).map_err(|error| EventError::Data(error.to_string()))?;
        let mut event = Event::new(event_type, data);
        if let Some(id) = event_id {
            event = event.id(id);
        }
        let event = event.prepare()?;
        store_events(tx, &customer, vec![event], Scope::Savepoint)?;
        Ok(())
    }
}

impl From<EventError> for RowError {
    fn from(error: EventError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<SendError> for RowError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Store(StoreError::Sealed(_)) => Self::Refused(error.to_string()),
            SendError::Store(error) if of_sqlite(&error).is_some_and(is_constraint) => {
                Self::Refused(error.to_string())
            }
            SendError::Store(error) => Self::Store(error),
            error => Self::Refused(error.to_string()),
        }
    }
}

/// Whether a constraint or trigger of the app refuses this event; it may accept the next.
fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

/// Text in UTF-8. What was inserted as a number is text here: the columns have that affinity.
fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        _ => None,
    }
}
