//! Which version of our tables a database has, and bringing it to [`VERSION`].

use sqlx::Row;

use super::{
    error::of_postgres,
    schema::Schema,
    session::{Session, Statement},
};
use crate::store::{error::StoreError, open_error::OpenError};

/// What each version adds to the one before; never changed once released.
const MIGRATIONS: [(i32, &str); 1] = [(1, include_str!("schema/1_tables.sql"))];
/// The version that this code reads and writes.
pub(super) const VERSION: i32 = MIGRATIONS[MIGRATIONS.len() - 1].0;
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const TOO_MANY_CONNECTIONS: &str = "53300";
/// The key of the advisory lock under which one node migrates: "webi".
const LOCK_KEY: i64 = 0x7765_6269;

/// One step that brings the tables of a schema to a version, for a tool of the app's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The version it brings them to, from the one before; the first from nothing.
    pub version: i32,
    /// The statements, to be run in one transaction.
    pub sql: String,
}

/// The statements that make the library's tables in `schema`, for a tool of the app's own: run those
/// above the version that a database has, each in a transaction. [`Webhooks::open`] finds them done
/// and does nothing; without them it runs them itself.
///
/// # Errors
/// `schema` is not a name that needs no quotes.
///
/// [`Webhooks::open`]: crate::Webhooks::open
pub fn migrations(schema: &str) -> Result<Vec<Migration>, OpenError> {
    let schema = Schema::parse(schema).map_err(|problem| OpenError::PostgresAddress { problem })?;
    Ok(MIGRATIONS
        .iter()
        .map(|(version, statements)| Migration {
            version: *version,
            sql: whole(&schema, *version, statements),
        })
        .collect())
}

/// Every table of ours.
pub(super) fn tables() -> Vec<&'static str> {
    MIGRATIONS
        .iter()
        .flat_map(|(_, statements)| statements.lines())
        .filter_map(|line| line.strip_prefix("create table webhooks."))
        .filter_map(|table| table.split([' ', '(']).next())
        .collect()
}

/// The statements of a version, with what notes it.
fn whole(schema: &Schema, version: i32, statements: &str) -> String {
    let mut sql = String::new();
    if version == MIGRATIONS[0].0 {
        // "if not exists" asks for the right to create one though it is there.
        sql = format!(
            "do $$ begin if to_regnamespace('{name}') is null then create schema {name}; end if; end $$;\n",
            name = schema.name()
        );
    }
    sql.push_str(&schema.sql(statements));
    sql.push_str(&schema.sql(&format!(
        "insert into webhooks.setting (name, value) values ('version', {version})
         on conflict (name) do update set value = excluded.value;\n"
    )));
    sql
}

/// Brings the tables to [`VERSION`], each version in a transaction, one node at a time.
pub(crate) async fn migrate(
    connection: &mut Session,
    schema: &Schema,
    shown: &str,
) -> Result<(), OpenError> {
    let refuse = |source: sqlx::Error| refusal(shown, schema, source.into());
    let found = version(connection, schema).await.map_err(refuse)?;
    newer(found, shown)?;
    if found == Some(VERSION) {
        return Ok(());
    }
    connection.execute("begin").await.map_err(refuse)?;
    Statement::new("select pg_advisory_xact_lock($1)")
        .bind(LOCK_KEY)
        .execute(connection)
        .await
        .map_err(refuse)?;
    // Another node may have done it meanwhile.
    let found = version(connection, schema).await.map_err(refuse)?;
    newer(found, shown)?;
    for (number, statements) in MIGRATIONS {
        if found.is_none_or(|found| number > found) {
            let statements = sqlx::AssertSqlSafe(whole(schema, number, statements));
            connection.execute(statements).await.map_err(refuse)?;
        }
    }
    connection.execute("commit").await.map_err(refuse)?;
    Ok(())
}

fn newer(found: Option<i32>, shown: &str) -> Result<(), OpenError> {
    match found {
        Some(found) if found > VERSION => Err(OpenError::Newer {
            store: shown.to_owned(),
            found,
            known: VERSION,
        }),
        _ => Ok(()),
    }
}

/// `None` when the tables are not there.
async fn version(connection: &mut Session, schema: &Schema) -> sqlx::Result<Option<i32>> {
    // Looked up before it is read: an error would end the transaction. In the catalog and not by name:
    // to_regclass says what this session knew before it waited for another node to make them.
    let found = Statement::new(
        "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relname = 'setting'",
    )
    .bind(schema.name().to_owned())
    .fetch_optional(&mut *connection)
    .await?;
    if found.is_none() {
        return Ok(None);
    }
    let row = schema
        .query("select value from webhooks.setting where name = 'version'")
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        let value: i64 = row.try_get(0)?;
        Ok(i32::try_from(value).unwrap_or(i32::MAX))
    })
    .transpose()
}

/// What an error means for opening the store.
pub(crate) fn refusal(shown: &str, schema: &Schema, source: StoreError) -> OpenError {
    let store = shown.to_owned();
    let known = match of_postgres(&source) {
        Some(sqlx::Error::Database(error)) => match error.code().as_deref() {
            Some(INSUFFICIENT_PRIVILEGE) => Some(OpenError::Rights {
                store: store.clone(),
                schema: schema.name().to_owned(),
                problem: error.message().to_owned(),
            }),
            Some(TOO_MANY_CONNECTIONS) => Some(OpenError::TooManyConnections {
                store: store.clone(),
                problem: error.message().to_owned(),
            }),
            _ => None,
        },
        Some(sqlx::Error::Io(error)) => Some(OpenError::Unreachable {
            store: store.clone(),
            problem: error.to_string(),
        }),
        _ => None,
    };
    known.unwrap_or_else(|| match source {
        StoreError::Sealed(problem) => OpenError::Key { store, problem },
        StoreError::Database(source) => OpenError::Database { store, source },
        source => OpenError::Store { store, source },
    })
}
