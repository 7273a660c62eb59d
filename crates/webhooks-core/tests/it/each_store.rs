//! The stores, and a test for each of them.
//!
//! A test is an `async fn(Store)` that [`for_each_store!`] names at the end of its file; one that is
//! not named is dead code, which clippy refuses. Another store is a variant of [`Store`] and a line in
//! each macro.
#![cfg(feature = "testing")]

use tempfile::TempDir;

/// One `#[tokio::test]` for each test and store.
macro_rules! for_each_store {
    ($($test:ident),+ $(,)?) => {
        tests_on!(sqlite_memory, SqliteMemory, $($test)+);
        tests_on!(sqlite_file, SqliteFile, $($test)+);
        #[cfg(feature = "postgres")]
        tests_on!(postgres, Postgres, $($test)+);
    };
}

/// The same for what outlives the process, and for what another connection changes meanwhile.
macro_rules! for_each_durable_store {
    ($($test:ident),+ $(,)?) => {
        tests_on!(reopened_sqlite_file, SqliteFile, $($test)+);
        #[cfg(feature = "postgres")]
        tests_on!(reopened_postgres, Postgres, $($test)+);
    };
}

macro_rules! tests_on {
    ($module:ident, $store:ident, $($test:ident)+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::each_store::Store::$store).await;
                }
            )+
        }
    };
}

#[derive(Clone, Copy)]
pub(crate) enum Store {
    SqliteMemory,
    SqliteFile,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// An empty database of a store; it is gone when this is dropped.
pub(crate) struct Database {
    /// Where an engine opens it.
    pub(crate) address: String,
    _place: Place,
}

/// Where it is kept, for as long as it is.
#[expect(dead_code, reason = "what counts is that it is there")]
enum Place {
    Memory,
    Folder(TempDir),
    #[cfg(feature = "postgres")]
    Server(scratch_postgres::Database),
}

impl Store {
    pub(crate) fn database(self) -> Database {
        match self {
            Self::SqliteMemory => Database {
                address: "sqlite::memory:".to_owned(),
                _place: Place::Memory,
            },
            Self::SqliteFile => {
                let folder = tempfile::tempdir().unwrap();
                Database {
                    address: format!("sqlite:{}", folder.path().join("w.db").display()),
                    _place: Place::Folder(folder),
                }
            }
            #[cfg(feature = "postgres")]
            Self::Postgres => {
                let database = scratch_postgres::Database::create().unwrap();
                Database {
                    address: format!("{}?schema=webhooks", database.url()),
                    _place: Place::Server(database),
                }
            }
        }
    }
}
