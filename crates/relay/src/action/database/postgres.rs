//! Rows in Postgres.

use std::{str::FromStr, sync::OnceLock, time::Duration};

use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    cell::{Cell, Type},
    row_error::RowError,
};

/// The engine makes no more requests at once to one action than it has rows to write.
const CONNECTIONS_MAX: u32 = 4;
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// A statement that takes longer is waiting for somebody else's lock.
const STATEMENT_LIMIT: &str = "20s";

const NO_TABLE: &str = "42P01";
/// Classes of errors that would come again on another attempt: data exceptions, and violated
/// constraints.
const OF_VALUES: [&str; 2] = ["22", "23"];

#[derive(Debug)]
pub(super) struct Postgres {
    options: PgConnectOptions,
    /// Made for the first row: a pool needs a runtime, which checking the file does not have.
    pool: OnceLock<PgPool>,
}

pub(super) fn sql_type(kind: Type) -> &'static str {
    match kind {
        Type::Text => "text",
        Type::Integer => "bigint",
        Type::Real => "double precision",
        Type::Boolean => "boolean",
        Type::Json => "jsonb",
        Type::Timestamp => "timestamptz",
    }
}

impl Postgres {
    pub(super) fn new(url: &str) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("relay")
            .options([("statement_timeout", STATEMENT_LIMIT)]);
        Ok(Self {
            options,
            pool: OnceLock::new(),
        })
    }

    fn pool(&self) -> &PgPool {
        self.pool.get_or_init(|| {
            PgPoolOptions::new()
                .max_connections(CONNECTIONS_MAX)
                .acquire_timeout(CONNECTION_LIMIT)
                .connect_lazy_with(self.options.clone())
        })
    }

    pub(super) async fn write(&self, sql: &str, cells: &[Cell]) -> Result<u64, RowError> {
        // The names in it come from the file and were checked; values are bound.
        let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        for cell in cells {
            query = query.bind(match cell {
                Cell::Null => None,
                Cell::Text(text) => Some(text.clone()),
                Cell::Integer(number) => Some(number.to_string()),
                Cell::Real(number) => Some(number.to_string()),
                Cell::Boolean(flag) => Some(flag.to_string()),
            });
        }
        let written = query.execute(self.pool()).await;
        written
            .map(|done| done.rows_affected())
            .map_err(|error| judge(&error))
    }
}

fn judge(error: &sqlx::Error) -> RowError {
    let text = error.to_string();
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some(NO_TABLE) => RowError::NoTable,
        Some(code) if OF_VALUES.iter().any(|class| code.starts_with(class)) => {
            RowError::Values(text)
        }
        _ => RowError::Other(text),
    }
}
