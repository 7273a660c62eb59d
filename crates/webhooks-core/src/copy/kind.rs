//! What a column holds: how it is read from the file and passed to Postgres.

use rusqlite::types::{FromSql, FromSqlResult, ValueRef};

use crate::store::postgres::{partition::day_of, session::Statement, slot::slot};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Int,
    Flag,
    Text,
    Json,
    Bytes,
    /// On the file's timeline in the file, by the wall clock in Postgres.
    Time,
    /// The same, except that 0 is not a time.
    TimeOrZero,
    /// A time in the file, the day of that time in Postgres.
    Day,
    /// A customer in the file, the customer's slot in Postgres.
    Slot,
}

/// The values of a column.
pub(super) enum Values {
    Numbers(Vec<Option<i64>>),
    Ints(Vec<Option<i32>>),
    Smalls(Vec<Option<i16>>),
    Flags(Vec<Option<bool>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Kind {
    /// The cast that turns what sqlx sends into an array of this kind.
    pub(super) fn array(self) -> &'static str {
        match self {
            Self::Number | Self::Time | Self::TimeOrZero => "::int8[]",
            Self::Int | Self::Day => "::int4[]",
            Self::Slot => "::int2[]",
            Self::Flag => "::bool[]",
            Self::Text => "::text[]",
            Self::Json => "::text[]::json[]",
            Self::Bytes => "::bytea[]",
        }
    }

    pub(super) fn values(self) -> Values {
        match self {
            Self::Number | Self::Time | Self::TimeOrZero => Values::Numbers(Vec::new()),
            Self::Int | Self::Day => Values::Ints(Vec::new()),
            Self::Slot => Values::Smalls(Vec::new()),
            Self::Flag => Values::Flags(Vec::new()),
            Self::Text | Self::Json => Values::Texts(Vec::new()),
            Self::Bytes => Values::Bytes(Vec::new()),
        }
    }

    /// Adds a value from the file, whose timeline is `offset` ms ahead of the wall clock. Returns the size of the
    /// value in bytes.
    pub(super) fn add(
        self,
        values: &mut Values,
        value: ValueRef<'_>,
        offset: i64,
    ) -> FromSqlResult<usize> {
        match values {
            Values::Numbers(values) => {
                let number = Option::<i64>::column_result(value)?;
                let is_time = self == Self::Time || self == Self::TimeOrZero && number != Some(0);
                values.push(if is_time {
                    number.map(|at| at.saturating_sub(offset))
                } else {
                    number
                });
            }
            Values::Ints(values) if self == Self::Day => {
                let at = Option::<i64>::column_result(value)?;
                values.push(at.map(|at| day_of(at.saturating_sub(offset))));
            }
            Values::Ints(values) => values.push(Option::column_result(value)?),
            Values::Smalls(values) => values.push(text(value)?.as_deref().map(slot)),
            Values::Flags(values) => values.push(Option::column_result(value)?),
            Values::Texts(values) => {
                let text = text(value)?;
                let bytes = text.as_ref().map_or(0, String::len);
                values.push(text);
                return Ok(bytes);
            }
            Values::Bytes(values) => {
                let bytes = Option::<Vec<u8>>::column_result(value)?;
                let length = bytes.as_ref().map_or(0, Vec::len);
                values.push(bytes);
                return Ok(length);
            }
        }
        Ok(size_of::<i64>())
    }
}

/// Postgres cannot store NUL in text.
fn text(value: ValueRef<'_>) -> FromSqlResult<Option<String>> {
    let text = value.as_str_or_null()?;
    Ok(text.map(|text| text.replace('\0', "\u{fffd}")))
}

impl Values {
    pub(super) fn bind(&self, statement: Statement) -> Statement {
        match self {
            Self::Numbers(values) => statement.bind(values),
            Self::Ints(values) => statement.bind(values),
            Self::Smalls(values) => statement.bind(values),
            Self::Flags(values) => statement.bind(values),
            Self::Texts(values) => statement.bind(values),
            Self::Bytes(values) => statement.bind(values),
        }
    }
}
