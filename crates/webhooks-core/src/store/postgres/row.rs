//! Reading rows: statements on a schema, and deliveries with their events.

use bytes::Bytes;
use sqlx::{FromRow, Row, postgres::PgRow};

use super::{
    schema::Schema,
    session::{Link, Statement},
};
use crate::model::delivery::StoredEvent;

/// A connection, and the schema that is read on it.
pub(crate) struct Reader<'a> {
    pub(crate) connection: &'a mut dyn Link,
    pub(crate) schema: &'a Schema,
    /// Whether statements have names.
    pub(crate) names_statements: bool,
}

impl Reader<'_> {
    /// A statement of this schema.
    pub(crate) fn query(&self, statement: &'static str) -> Statement {
        self.schema
            .query(statement)
            .persistent(self.names_statements)
    }
}

/// An unclaimed delivery, together with its event.
pub(super) struct FoundRow {
    pub(super) seq: i64,
    pub(super) endpoint_key: i64,
    pub(super) attempts: u32,
    pub(super) number: u32,
    pub(super) due_at: i64,
    /// `None` if the event is gone.
    pub(super) event: Option<StoredEvent>,
}

/// From the columns `event_seq, endpoint_key, attempts, number` of a delivery, `id, body, traceparent` of its event,
/// and `due_at`.
impl FromRow<'_, PgRow> for FoundRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let seq = row.try_get(0)?;
        let attempts: i32 = row.try_get(2)?;
        let number: i32 = row.try_get(3)?;
        let id: Option<String> = row.try_get(4)?;
        let event = match id {
            Some(id) => Some(StoredEvent {
                seq,
                id,
                body: Bytes::from(row.try_get::<Vec<u8>, _>(5)?),
                traceparent: row.try_get(6)?,
            }),
            None => None,
        };
        Ok(Self {
            seq,
            endpoint_key: row.try_get(1)?,
            attempts: attempts.unsigned_abs(),
            number: number.unsigned_abs(),
            due_at: row.try_get(7)?,
            event,
        })
    }
}

/// A count or number that is never negative, for a column of four bytes.
pub(super) fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
