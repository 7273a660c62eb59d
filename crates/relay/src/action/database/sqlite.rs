//! Rows in a SQLite file, which other programs may use at the same time.

use std::{path::PathBuf, time::Duration};

use webhooks_core::{
    private_file,
    rusqlite::{
        self, Connection, ErrorCode, ToSql,
        types::{ToSqlOutput, ValueRef},
    },
};

use super::{
    cell::{Cell, Type},
    row_error::RowError,
};

/// How long a row waits for other programs' writes.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
}

pub(super) fn sql_type(kind: Type) -> &'static str {
    match kind {
        Type::Text | Type::Json | Type::Timestamp => "text",
        Type::Integer | Type::Boolean => "integer",
        Type::Real => "real",
    }
}

impl Sqlite {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens the file for each row: whoever reads it may replace or move it.
    pub(super) async fn write(&self, sql: &str, cells: &[Cell]) -> Result<u64, RowError> {
        let (path, sql, cells) = (self.path.clone(), sql.to_owned(), cells.to_vec());
        let written = tokio::task::spawn_blocking(move || {
            // SQLite would let others read a new file. If this fails, SQLite reports the problem
            // itself.
            let _ = private_file::create(&path);
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_LIMIT)?;
            connection.execute(&sql, rusqlite::params_from_iter(cells))
        });
        let written = written
            .await
            .map_err(|error| RowError::Other(error.to_string()))?;
        written
            .map(|rows| rows as u64)
            .map_err(|error| judge(&error))
    }
}

fn judge(error: &rusqlite::Error) -> RowError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            RowError::Values(text)
        }
        _ if text.contains("no such table") => RowError::NoTable,
        _ => RowError::Other(text),
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Text(text) => text.as_str().into(),
            Self::Integer(number) => (*number).into(),
            Self::Real(number) => (*number).into(),
            Self::Boolean(flag) => i64::from(*flag).into(),
        })
    }
}
