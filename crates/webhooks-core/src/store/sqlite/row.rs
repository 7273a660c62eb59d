//! Rows of the hot table, read with their events.

use bytes::Bytes;
use rusqlite::Row;

use crate::model::delivery::StoredEvent;

impl StoredEvent {
    /// Reads the columns `seq, id, body, traceparent`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            body: Bytes::from(row.get::<_, Vec<u8>>(2)?),
            traceparent: row.get(3)?,
        })
    }
}

/// A delivery read from the hot table, together with its event.
pub(super) struct FoundRow {
    pub(super) endpoint_key: i64,
    pub(super) attempts: u32,
    pub(super) number: u32,
    pub(super) seq: i64,
    /// `None` if the event is gone.
    pub(super) event: Option<StoredEvent>,
}

impl FoundRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let seq = row.get(0)?;
        let id: Option<String> = row.get(4)?;
        let event = match id {
            Some(id) => Some(StoredEvent {
                seq,
                id,
                body: Bytes::from(row.get::<_, Vec<u8>>(5)?),
                traceparent: row.get(6)?,
            }),
            None => None,
        };
        Ok(Self {
            seq,
            endpoint_key: row.get(1)?,
            attempts: row.get(2)?,
            number: row.get(3)?,
            event,
        })
    }
}
