//! Which version of our tables a database has, and migrating it to [`VERSION`].
//!
//! Our tables live among an app's: their names begin with `webhooks_`, and their version is in
//! `webhooks_schema`. `application_id`, `user_version` and every other name are the app's.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// The tables of [`FIRST_VERSION`], for a database that has none of them.
const TABLES: &str = include_str!("schema/3_tables.sql");
const FIRST_VERSION: i32 = 3;
/// What each version adds to the previous one; never changed once released. Those up to
/// [`FIRST_VERSION`] are for files whose version is in `user_version`.
const MIGRATIONS: [(i32, &str); 5] = [
    (2, include_str!("schema/2_owed_at.sql")),
    (FIRST_VERSION, include_str!("schema/3_prefix.sql")),
    (4, include_str!("schema/4_customer_event.sql")),
    (5, include_str!("schema/5_outage.sql")),
    (6, include_str!("schema/6_customer_block.sql")),
];
/// The version that this code reads and writes.
pub(super) const VERSION: i32 = MIGRATIONS[MIGRATIONS.len() - 1].0;
/// The prefix of all our names.
const PREFIX: &str = "webhooks_";
/// "whks", SQLite's `application_id` of files before [`FIRST_VERSION`].
const APPLICATION_ID_BEFORE: i32 = 0x7768_6b73;

/// What a database has of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing; it may be an app's.
    Nothing,
    /// A whole file of a version before [`FIRST_VERSION`].
    Before(i32),
    /// Tables of this version.
    Tables(i32),
}

impl Found {
    /// The version, if it is one that this code does not know.
    pub(super) fn newer(self) -> Option<i32> {
        match self {
            Self::Nothing => None,
            Self::Before(version) => (version >= FIRST_VERSION).then_some(version),
            Self::Tables(version) => (version > VERSION).then_some(version),
        }
    }
}

/// Looks, and changes nothing.
pub(crate) fn find(connection: &Connection) -> rusqlite::Result<Found> {
    let has = |table: &str| {
        connection
            .prepare("select 1 from sqlite_schema where type = 'table' and name = ?1")?
            .exists([table])
    };
    if has("webhooks_schema")? {
        let version = connection
            .query_row("select version from webhooks_schema", [], |row| row.get(0))
            .optional()?;
        if let Some(version) = version {
            return Ok(Found::Tables(version));
        }
    }
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0));
    // An app may have chosen the same number.
    if number("pragma application_id")? == APPLICATION_ID_BEFORE && has("delivery")? && has("lane")?
    {
        return Ok(Found::Before(number("pragma user_version")?));
    }
    Ok(Found::Nothing)
}

/// The first of our names that a table, index, view or trigger of the app already has.
pub(super) fn taken_name(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut select =
        connection.prepare("select 1 from sqlite_schema where name = ?1 collate nocase")?;
    for name in names() {
        if select.exists([name])? {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// Whether a table or index is one of ours.
pub(super) fn is_ours(name: &str) -> bool {
    // Called for each statement of the app that is prepared: few names begin like this.
    let prefixed = name
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    prefixed && names().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// The names of our tables and indexes.
fn names() -> impl Iterator<Item = &'static str> {
    let sources = std::iter::once(TABLES).chain(
        MIGRATIONS
            .into_iter()
            .filter(|(version, _)| *version > FIRST_VERSION)
            .map(|(_, statements)| statements),
    );
    sources.flat_map(str::lines).filter_map(|line| {
        let made = ["create table ", "create index ", "create unique index "]
            .into_iter()
            .find_map(|words| line.strip_prefix(words))?;
        made.split(' ').next()
    })
}

/// Migrates the database to [`VERSION`] in one transaction: completely, or not at all.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = find(&transaction)?;
    let version = match found {
        Found::Nothing => {
            transaction.execute_batch(TABLES)?;
            FIRST_VERSION
        }
        Found::Before(version) | Found::Tables(version) => version,
    };
    for (number, statements) in MIGRATIONS {
        if number > version {
            transaction.execute_batch(statements)?;
        }
    }
    if found != Found::Tables(VERSION) {
        transaction.execute("delete from webhooks_schema", [])?;
        transaction.execute(
            "insert into webhooks_schema (version) values (?1)",
            [VERSION],
        )?;
    }
    if matches!(found, Found::Before(_)) {
        // From now on they are the app's. With both gone, the previous version refuses the file.
        transaction.pragma_update(None, "application_id", 0)?;
        transaction.pragma_update(None, "user_version", 0)?;
        tracing::info!(
            found = version,
            now = VERSION,
            "the store's tables were renamed: their names now begin with webhooks_"
        );
    }
    transaction.commit()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Tables with their columns, indexes with their columns and conditions.
    fn shape(connection: &Connection) -> Vec<String> {
        let mut shape: Vec<String> = connection
            .prepare(
                "select t.name || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk
                 from sqlite_schema t, pragma_table_xinfo(t.name) c where t.type = 'table'
                 union all
                 select lower(sql) from sqlite_schema where type = 'index' and sql is not null",
            )
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        shape.sort();
        shape
    }

    #[test]
    fn a_new_database_and_one_of_version_2_come_to_the_same_tables() {
        let mut new = Connection::open_in_memory().unwrap();
        migrate(&mut new).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.db");
        std::fs::copy(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files/version-2.db"),
            &file,
        )
        .unwrap();
        let mut old = Connection::open(&file).unwrap();
        assert_eq!(find(&old).unwrap(), Found::Before(2));
        migrate(&mut old).unwrap();
        old.execute_batch("drop table draw").unwrap();
        assert_eq!(shape(&new), shape(&old));
    }
}
