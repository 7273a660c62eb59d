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
    };
}

/// The same for what outlives the process, and for what another connection changes meanwhile.
macro_rules! for_each_durable_store {
    ($($test:ident),+ $(,)?) => {
        tests_on!(reopened_sqlite_file, SqliteFile, $($test)+);
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
}

/// An empty database of a store; it is gone when this is dropped.
pub(crate) struct Database {
    pub(crate) address: String,
    _folder: Option<TempDir>,
}

impl Store {
    pub(crate) fn database(self) -> Database {
        match self {
            Self::SqliteMemory => Database {
                address: "sqlite::memory:".to_owned(),
                _folder: None,
            },
            Self::SqliteFile => {
                let folder = tempfile::tempdir().unwrap();
                Database {
                    address: format!("sqlite:{}", folder.path().join("w.db").display()),
                    _folder: Some(folder),
                }
            }
        }
    }
}
