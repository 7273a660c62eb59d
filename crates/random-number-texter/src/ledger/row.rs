//! How a text is stored in its row.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, types::Type};

use crate::text::{Doubt, Reason, State, Text};

/// The columns that [`text`] reads, in its order.
macro_rules! columns {
    () => {
        "text_id, event_id, body, state, sid, error_code, error_message, doubt, posted_at_ms, \
         updated_at_ms"
    };
}
pub(super) use columns;

pub(super) fn text(row: &Row<'_>) -> rusqlite::Result<Text> {
    let state: String = row.get(3)?;
    let doubt: Option<String> = row.get(7)?;
    let posted_at_ms: Option<i64> = row.get(8)?;
    let code = row.get(5)?;
    let words: Option<String> = row.get(6)?;
    Ok(Text {
        id: row.get(0)?,
        event_id: row.get(1)?,
        body: row.get(2)?,
        state: State::named(&state).ok_or_else(|| unreadable(3, Type::Text))?,
        sid: row.get(4)?,
        reason: words.map(|words| Reason { code, words }),
        doubt: doubt.as_deref().map(Doubt::named),
        posted_at: posted_at_ms.map(|ms| time(8, ms)).transpose()?,
        updated_at: time(9, row.get(9)?)?,
    })
}

/// Uses the primary key.
pub(super) const BY_ID: &str = concat!("select ", columns!(), " from texts where text_id = ?1");
/// Uses the unique index on `event_id`.
pub(super) const BY_EVENT: &str = concat!("select ", columns!(), " from texts where event_id = ?1");

/// The text named `id`.
pub(super) fn by_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<Text>> {
    connection
        .prepare_cached(BY_ID)?
        .query_row([id], text)
        .optional()
}

/// The text of an event.
pub(super) fn by_event(connection: &Connection, event_id: &str) -> rusqlite::Result<Option<Text>> {
    connection
        .prepare_cached(BY_EVENT)?
        .query_row([event_id], text)
        .optional()
}

fn time(column: usize, ms: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(|_| unreadable(column, Type::Integer))
}

fn unreadable(column: usize, of_type: Type) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        of_type,
        "a value that this program never writes".into(),
    )
}
