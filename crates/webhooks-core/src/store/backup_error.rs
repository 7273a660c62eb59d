//! Why a backup was not made.

use std::{io, sync::Arc};

/// A backup was not made; there is no file of its name.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The database is in memory.
    #[error("a database in memory has no file to back up; open the engine on sqlite:<file>")]
    InMemory,
    /// There is such a file already.
    #[error("{path} already exists and is not replaced; name another file, or remove it")]
    Exists {
        /// The name asked for.
        path: String,
    },
    /// The store is a Postgres database.
    #[cfg(feature = "postgres")]
    #[error(
        "the store is a Postgres database: back it up with pg_dump, or together with its server"
    )]
    Postgres,
    /// The copy could not be written.
    #[error("the backup {path} could not be written: {source}")]
    Io {
        /// The name asked for.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The database could not be read, or the copy could not be written: a full disk, for example.
    #[error("the backup {path} could not be made: {source}")]
    Database {
        /// The name asked for.
        path: String,
        /// What SQLite said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

crate::error_text::debug_is_display!(BackupError);
