//! Which version of our tables a database has, and migrating it to [`VERSION`].
//!
//! Programs are replaced one after the other: the first new one changes the tables while old ones work on
//! them. So a version only adds, and says how old the code may be that still works with it; what no code
//! needs any more is removed by a later version.

use super::{
    error::of_postgres,
    schema::Schema,
    session::{Session, Statement},
};
use crate::store::{error::StoreError, open_error::OpenError};

/// A version of the tables.
struct Step {
    version: i32,
    /// The oldest version of this code that can work on them, alongside newer code. A version that adds only
    /// what older code can ignore leaves it unchanged; a version that removes something that older code needs
    /// raises it, once no program that needs it will run any more.
    oldest_reader: i32,
    /// What it adds to the previous version; never changed once released.
    statements: &'static str,
}

const STEPS: [Step; 5] = [
    Step {
        version: 1,
        oldest_reader: 1,
        statements: include_str!("schema/1_tables.sql"),
    },
    Step {
        version: 2,
        oldest_reader: 1,
        statements: include_str!("schema/2_writers.sql"),
    },
    Step {
        version: 3,
        oldest_reader: 1,
        statements: include_str!("schema/3_live.sql"),
    },
    Step {
        version: 4,
        oldest_reader: 1,
        statements: include_str!("schema/4_arrivals.sql"),
    },
    Step {
        version: 5,
        oldest_reader: 1,
        statements: include_str!("schema/5_favourites.sql"),
    },
];
/// The version that this code reads and writes.
const VERSION: i32 = STEPS[STEPS.len() - 1].version;
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const TOO_MANY_CONNECTIONS: &str = "53300";
/// The key of the advisory lock under which one node migrates: "webi".
const LOCK_KEY: i64 = 0x7765_6269;

/// One step that migrates the tables of a schema to a version, for an app's own migration tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The version to which it migrates them, from the previous one; the first from nothing.
    pub version: i32,
    /// The statements, to be run in one transaction.
    pub sql: String,
}

/// The statements that create the library's tables in `schema`, for an app's own migration tool: run those
/// above the version that a database has, each in a transaction. [`Webhooks::open`] finds them done
/// and does nothing; if they were not run, it runs them itself.
///
/// # Errors
/// `schema` is not a name that needs no quotes.
///
/// [`Webhooks::open`]: crate::Webhooks::open
pub fn migrations(schema: &str) -> Result<Vec<Migration>, OpenError> {
    let schema = Schema::parse(schema).map_err(|problem| OpenError::PostgresAddress { problem })?;
    Ok(STEPS
        .iter()
        .map(|step| Migration {
            version: step.version,
            sql: step.whole(&schema),
        })
        .collect())
}

/// Every table of ours.
pub(super) fn tables() -> Vec<&'static str> {
    STEPS
        .iter()
        .flat_map(|step| step.statements.lines())
        .filter_map(|line| line.strip_prefix("create table webhooks."))
        .filter_map(|table| table.split([' ', '(']).next())
        .collect()
}

impl Step {
    /// Its statements, including those that record its version.
    fn whole(&self, schema: &Schema) -> String {
        let Self {
            version,
            oldest_reader,
            statements,
        } = self;
        let mut sql = String::new();
        if *version == STEPS[0].version {
            // Not "if not exists": that needs the right to create schemas even if the schema exists.
            sql = format!(
                "do $$ begin
                     if to_regnamespace('{name}') is null then create schema {name}; end if;
                 end $$;\n",
                name = schema.name()
            );
        }
        sql.push_str(&schema.sql(statements));
        sql.push_str(&schema.sql(&format!(
            "insert into webhooks.setting (name, value)
             values ('version', {version}), ('oldest_reader', {oldest_reader})
             on conflict (name) do update set value = excluded.value;\n"
        )));
        sql
    }
}

/// What a database says about its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    version: i32,
    /// The oldest code that can work on them.
    oldest_reader: i32,
}

impl Found {
    /// Whether this code can work on them, after migrating them if they are older.
    fn suits(self) -> bool {
        self.version <= VERSION || self.oldest_reader <= VERSION
    }

    /// Whether there is nothing to add to them.
    fn is_new_enough(self) -> bool {
        if self.version > VERSION {
            tracing::info!(
                found = self.version,
                known = VERSION,
                "the tables are newer than this program, but it can work on them"
            );
        }
        self.version >= VERSION
    }
}

/// Migrates the tables to [`VERSION`], each version in a transaction, one node at a time.
pub(crate) async fn migrate(
    connection: &mut Session,
    schema: &Schema,
    shown: &str,
) -> Result<(), OpenError> {
    let refuse = |source| refusal(shown, schema, source);
    let found = find(connection, schema).await.map_err(refuse)?;
    check(found, shown)?;
    if found.is_some_and(Found::is_new_enough) {
        return Ok(());
    }
    connection.execute("begin").await.map_err(refuse)?;
    Statement::new("select pg_advisory_xact_lock($1)")
        .bind(LOCK_KEY)
        .execute(connection)
        .await
        .map_err(refuse)?;
    // Another node may have done it meanwhile.
    let found = find(connection, schema).await.map_err(refuse)?;
    check(found, shown)?;
    for step in &STEPS {
        if found.is_none_or(|found| step.version > found.version) {
            let statements = sqlx::AssertSqlSafe(step.whole(schema));
            connection.execute(statements).await.map_err(refuse)?;
        }
    }
    connection.execute("commit").await.map_err(refuse)?;
    Ok(())
}

/// Checks that the tables have [`VERSION`], or a newer one that this code can work on.
pub(crate) async fn require(
    connection: &mut Session,
    schema: &Schema,
    shown: &str,
) -> Result<(), OpenError> {
    let found = find(connection, schema).await;
    let found = found.map_err(|source| refusal(shown, schema, source))?;
    check(found, shown)?;
    if found.is_some_and(Found::is_new_enough) {
        return Ok(());
    }
    Err(OpenError::Older {
        store: shown.to_owned(),
        schema: schema.name().to_owned(),
        found: found.map_or(0, |found| found.version),
        known: VERSION,
    })
}

fn check(found: Option<Found>, shown: &str) -> Result<(), OpenError> {
    match found {
        Some(found) if !found.suits() => Err(OpenError::Newer {
            store: shown.to_owned(),
            found: found.version,
            known: VERSION,
        }),
        _ => Ok(()),
    }
}

/// `None` if the tables do not exist.
async fn find(connection: &mut Session, schema: &Schema) -> Result<Option<Found>, StoreError> {
    // Looked up before it is read, because an error would end the transaction. In the catalog and not by name,
    // because to_regclass returns what this session knew before it waited for another node to create them.
    let exists = Statement::new(
        "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relname = 'setting'",
    )
    .bind(schema.name().to_owned())
    .has_row(connection)
    .await?;
    if !exists {
        return Ok(None);
    }
    let found: Option<(i64, i64)> = schema
        .query(
            "select v.value, coalesce(o.value, v.value) from webhooks.setting v
             left join webhooks.setting o on o.name = 'oldest_reader' where v.name = 'version'",
        )
        .find_row(connection)
        .await?;
    Ok(found.map(|(version, oldest_reader)| Found {
        version: i32::try_from(version).unwrap_or(i32::MAX),
        oldest_reader: i32::try_from(oldest_reader).unwrap_or(i32::MAX),
    }))
}

/// Whether an error comes from a handshake in which a certificate was not trusted.
fn is_of_tls(error: &std::io::Error) -> bool {
    let source = error.get_ref();
    source.is_some_and(|source| source.is::<rustls::Error>())
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
        Some(sqlx::Error::Tls(error)) => Some(OpenError::Tls {
            store: store.clone(),
            problem: error.to_string(),
        }),
        Some(sqlx::Error::Io(error)) if is_of_tls(error) => Some(OpenError::Tls {
            store: store.clone(),
            problem: error.to_string(),
        }),
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
