//! Opening the database file: settings, version, and the refusals.

use std::{fs::File, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{
    StoreError,
    guard::Guard,
    version::{self, Found, VERSION},
};

/// Pages kept in memory by the writer, in KiB: the hot tables of a healthy engine fit.
const WRITER_CACHE_KIB: i32 = 32 * 1024;
/// Checkpoint after this many pages (4 KiB each) of write-ahead log, about 64 MiB. Sends wait
/// while one runs: with 4,000 pages that was once a second at 500 events a second, and was the
/// p99 that scripts/bench measured. The same hot pages are written once however often they changed.
const CHECKPOINT_PAGES: i32 = 16_000;
/// How long a statement waits for an outside program that has the file locked.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// `synchronous=FULL`: what `send` acknowledged survives a loss of power.
    #[default]
    Full,
    /// `synchronous=NORMAL`: survives a crash of the process; a loss of power may lose the last
    /// moments before it. Several times more commits a second.
    Normal,
}

/// A store could not be opened.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address of the store is not one that is known.
    #[error(
        "store {0:?} is not known: use sqlite:<file> without options, or sqlite::memory: for throw-away data"
    )]
    Address(String),
    /// Another process, or another engine of this one, has the file.
    #[error(
        "{file} is in use by another process, or by this one already; one engine at a time delivers from a file. Stop it, or use another file"
    )]
    InUse {
        /// The database file.
        file: String,
    },
    /// The file was written by a newer version.
    #[error(
        "{file} has schema version {found}; this version knows up to {VERSION}. Use a newer version of webhooks-core"
    )]
    Newer {
        /// The database file.
        file: String,
        /// The version found in it.
        found: i32,
    },
    /// The database is an app's, and has a name of ours in it.
    #[error(
        "{file} has something named {name:?} already, which is the name of a table or index of webhooks-core; rename yours, or name another file"
    )]
    NameTaken {
        /// The database file.
        file: String,
        /// The name.
        name: String,
    },
    /// The file is not a healthy database.
    #[error("{file} is damaged: {problem}. Restore it from a backup; nothing was changed")]
    Damaged {
        /// The database file.
        file: String,
        /// What SQLite found.
        problem: String,
    },
    /// Endpoints' secrets are sealed with another key, or with one and none was given.
    #[error("the endpoints' secrets in {file} cannot be read: {problem}")]
    Key {
        /// The database file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The file or its folder cannot be used.
    #[error("{file}: {source}")]
    Io {
        /// The database file.
        file: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Anything else that SQLite refuses.
    #[error("{file}: {source}")]
    Sqlite {
        /// The database file.
        file: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The store could not be taken over.
    #[error("{file}: {source}")]
    Store {
        /// The database file.
        file: String,
        /// What the store said: a full disk, for one.
        source: StoreError,
    },
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
    /// A retention shorter than the time that deliveries are tried.
    #[error(
        "a retention of {retention:?} is shorter than the retry schedule, which lasts {schedule:?}"
    )]
    Retention {
        /// What was asked for.
        retention: Duration,
        /// The shortest that works.
        schedule: Duration,
    },
}

crate::error_text::debug_is_display!(OpenError);

/// Holds the file against other processes for as long as it lives.
///
/// A lock on a file of its own: closing any handle of the database file itself would drop
/// SQLite's own POSIX locks.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    pub(crate) fn take(database: &Path) -> Result<Self, OpenError> {
        let shown = database.display().to_string();
        let folder = database
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let io = |source: std::io::Error| OpenError::Io {
            file: shown.clone(),
            source: match folder {
                Some(folder) if !folder.is_dir() => std::io::Error::new(
                    source.kind(),
                    format!("there is no folder {}; make it first", folder.display()),
                ),
                _ => source,
            },
        };
        // One lock a file, by whatever name it is opened; a file that is yet to be made has one.
        let resolved = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        let mut name = resolved.into_os_string();
        name.push("-lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(name)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { file: shown }),
            Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

/// Makes a file that is not there yet, for its owner alone: it will hold the endpoints' secrets.
/// SQLite gives the files beside it the same mode. What is wrong with the place, SQLite reports.
fn make_private(file: &Path) {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(file);
}

/// Opens, checks and migrates the writer's connection. `None` is a database in memory.
pub(crate) fn open_writer(
    file: Option<&Path>,
    durability: Durability,
) -> Result<(Connection, Guard), OpenError> {
    let shown = file.map_or_else(|| ":memory:".to_owned(), |file| file.display().to_string());
    if let Some(file) = file {
        make_private(file);
    }
    let connection = match file {
        Some(file) => Connection::open(file),
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
    Ok(connection)
}

/// Refuses what cannot be used before anything is written.
fn check(connection: &Connection, shown: &str) -> Result<(), OpenError> {
    let refuse = |source: rusqlite::Error| refusal(shown, source);
    let found = version::find(connection).map_err(refuse)?;
    if let Some(found) = found.newer() {
        return Err(OpenError::Newer {
            file: shown.to_owned(),
            found,
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

/// Reads the root page of every table of ours: cheap however large the file is. Deeper damage
/// is told by the statement that meets it. An app's may need modules that only the app has.
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

/// What an error of SQLite means for opening the file.
pub(crate) fn refusal(shown: &str, source: rusqlite::Error) -> OpenError {
    let file = shown.to_owned();
    if tells_of_damage(&source) {
        let problem = source.to_string();
        OpenError::Damaged { file, problem }
    } else {
        OpenError::Sqlite { file, source }
    }
}

/// What an error of the store means for opening the file.
pub(crate) fn store_refusal(shown: &str, source: StoreError) -> OpenError {
    let file = shown.to_owned();
    match source {
        StoreError::Sqlite(source) if tells_of_damage(&source) => OpenError::Damaged {
            file,
            problem: source.to_string(),
        },
        StoreError::Sealed(problem) => OpenError::Key { file, problem },
        source => OpenError::Store { file, source },
    }
}

fn tells_of_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseCorrupt | NotADatabase)
    )
}
