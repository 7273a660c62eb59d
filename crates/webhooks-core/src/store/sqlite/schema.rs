//! Opening the database file: settings, version, and reasons to refuse it.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig};

use super::{
    error::{of_sqlite, tells_of_a_lock},
    guard::Guard,
    version::{self, Found, VERSION},
};
use crate::{
    private_file,
    store::{
        durability::Durability,
        error::StoreError,
        open_error::{BUSY_WAIT, OpenError},
    },
};

/// Pages kept in memory by the writer, in KiB: the hot tables of a healthy engine fit.
const WRITER_CACHE_KIB: i32 = 32 * 1024;
/// Checkpoint after this many pages (4 KiB each) of write-ahead log, about 64 MiB. Sends wait while one
/// runs: with 4,000 pages that was once a second at 500 events a second, and determined the p99 that
/// scripts/bench measured. A checkpoint writes a hot page once, however often it changed.
const CHECKPOINT_PAGES: i32 = 16_000;

/// Opens, checks and migrates the writer's connection. `None` is a database in memory.
pub(crate) fn open_writer(
    file: Option<&Path>,
    durability: Durability,
) -> Result<(Connection, Guard), OpenError> {
    let shown = file.map_or_else(|| ":memory:".to_owned(), |file| file.display().to_string());
    let connection = match file {
        Some(file) => {
            private_file::create(file).map_err(|source| OpenError::Io {
                file: shown.clone(),
                source,
            })?;
            Connection::open(file)
        }
        None => Connection::open_in_memory(),
    };
    let refuse = |source: rusqlite::Error| refusal(&shown, source);
    let mut connection = connection.map_err(refuse)?;
    connection.busy_timeout(BUSY_WAIT).map_err(refuse)?;
    check(&connection, &shown)?;
    connection
        .pragma_update(None, "journal_mode", "wal")
        .map_err(refuse)?;
    let synchronous = match durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
    };
    connection
        .pragma_update(None, "synchronous", synchronous)
        .map_err(refuse)?;
    connection
        .pragma_update(None, "cache_size", -WRITER_CACHE_KIB)
        .map_err(refuse)?;
    connection
        .pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
        .map_err(refuse)?;
    connection.set_prepared_statement_cache_capacity(128);
    compile_once(&connection).map_err(refuse)?;
    version::migrate(&mut connection).map_err(refuse)?;
    let guard = Guard::install(&mut connection).map_err(refuse)?;
    Ok((connection, guard))
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(32);
    compile_once(&connection)?;
    Ok(connection)
}

/// A statement keeps its plan whatever values it gets. Otherwise SQLite compiles it again whenever a value is bound
/// that might make a partial index usable, which our statements never leave to a value. With a backlog of a million, the
/// p99 of what was sent beside its retries was 2.7 ms instead of 1.2 ms.
fn compile_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Refuses a database that cannot be used, before anything is written.
fn check(connection: &Connection, shown: &str) -> Result<(), OpenError> {
    let refuse = |source: rusqlite::Error| refusal(shown, source);
    let found = version::find(connection).map_err(refuse)?;
    if let Some(found) = found.newer() {
        return Err(OpenError::Newer {
            store: shown.to_owned(),
            found,
            known: VERSION,
        });
    }
    if found == Found::Nothing
        && let Some(name) = version::taken_name(connection).map_err(refuse)?
    {
        return Err(OpenError::NameTaken {
            file: shown.to_owned(),
            name,
        });
    }
    quick_check(connection, found, shown)
}

/// Reads the root page of each of our tables: cheap however large the file is. Deeper damage is
/// reported by the statement that meets it. An app's tables may need modules that only the app has.
fn quick_check(connection: &Connection, found: Found, shown: &str) -> Result<(), OpenError> {
    let pattern = match found {
        Found::Nothing => return Ok(()),
        Found::Before(_) => "%",
        Found::Tables(_) => r"webhooks\_%",
    };
    let read = || -> rusqlite::Result<()> {
        let names: Vec<String> = connection
            .prepare(
                "select name from sqlite_schema where type = 'table' and name like ?1 escape '\\'",
            )?
            .query_map([pattern], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for name in names {
            let quoted = name.replace('"', "\"\"");
            connection
                .query_row(&format!("select 1 from \"{quoted}\" limit 1"), [], |_| {
                    Ok(())
                })
                .optional()?;
        }
        Ok(())
    };
    read().map_err(|source| refusal(shown, source))
}

/// What an SQLite error means for opening the file.
pub(crate) fn refusal(shown: &str, source: rusqlite::Error) -> OpenError {
    let file = shown.to_owned();
    if tells_of_damage(&source) {
        let problem = source.to_string();
        OpenError::Damaged { file, problem }
    } else if tells_of_a_lock(&source) {
        OpenError::Locked { file }
    } else {
        OpenError::Database {
            store: file,
            source: Arc::new(source),
        }
    }
}

/// What an error of the store means for opening the file.
pub(crate) fn store_refusal(shown: &str, source: StoreError) -> OpenError {
    let file = shown.to_owned();
    match source {
        source if of_sqlite(&source).is_some_and(tells_of_damage) => OpenError::Damaged {
            file,
            problem: source.to_string(),
        },
        StoreError::Sealed(problem) => OpenError::Key {
            store: file,
            problem,
        },
        StoreError::Locked => OpenError::Locked { file },
        source => OpenError::Store {
            store: file,
            source,
        },
    }
}

fn tells_of_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseCorrupt | NotADatabase)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::sqlite::error::store_error;

    #[test]
    fn a_lock_of_another_program_is_told_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.db");
        let other = Connection::open(&file).unwrap();
        other.execute_batch("begin exclusive").unwrap();
        let ours = Connection::open(&file).unwrap();
        ours.busy_timeout(Duration::ZERO).unwrap();
        let refused = || ours.execute_batch("begin immediate").unwrap_err();
        let open = refusal("w.db", refused());
        assert_eq!(
            open.to_string(),
            "w.db is locked by another program, which did not release it within 5 s; end its transaction, or stop it"
        );
        let stored = store_error(refused());
        assert!(matches!(stored, StoreError::Locked), "{stored}");
        let open = store_refusal("w.db", stored);
        assert!(matches!(open, OpenError::Locked { .. }), "{open}");
    }

    #[test]
    fn a_statement_is_not_compiled_again_for_other_values() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.db");
        let (writer, _guard) = open_writer(Some(&file), Durability::Full).unwrap();
        let reader = open_reader(&file).unwrap();
        for connection in [&writer, &reader] {
            let mut statement = connection
                .prepare(
                    "select event_seq from webhooks_delivery
                     where endpoint_key = ?1 and claim is null and lane = 1 and due_at <= ?2
                     order by due_at, event_seq limit ?3",
                )
                .unwrap();
            for value in 1..10 {
                let rows = statement.query_map([value, value, value], |row| row.get::<_, i64>(0));
                assert_eq!(rows.unwrap().count(), 0);
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
