//! Where the ledger is kept.

use std::{fmt, io, path::PathBuf};

use rusqlite::Connection;
use webhooks_core::private_file;

const IN_MEMORY: &str = ":memory:";

/// A file, or memory that is lost when the program ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// Kept across restarts.
    File(PathBuf),
    /// Lost at the end: a webhook that comes again after a restart is texted again.
    Memory,
}

impl StoreLocation {
    /// `:memory:` or a path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == IN_MEMORY {
            Self::Memory
        } else {
            Self::File(PathBuf::from(text))
        }
    }

    /// Creates the file if there is none, readable by its owner alone.
    pub(super) fn create(&self) -> io::Result<()> {
        match self {
            Self::File(path) => private_file::create(path),
            Self::Memory => Ok(()),
        }
    }

    pub(super) fn connect(&self) -> rusqlite::Result<Connection> {
        match self {
            Self::File(path) => Connection::open(path),
            Self::Memory => Connection::open_in_memory(),
        }
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Memory => f.write_str(IN_MEMORY),
        }
    }
}
