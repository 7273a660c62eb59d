//! What every store must do, seen through the public API: each test runs on each of them.
//!
//! A test is an `async fn(Store)` that [`for_each_store!`] names at the end of its file; one that is
//! not named is dead code, which clippy refuses. Another store is a variant of [`Store`] and a line in
//! each macro. What is SQLite's own (a file, `Webhooks::transaction`) is tested outside of this folder.
#![cfg(feature = "testing")]

use std::sync::Arc;

use tempfile::TempDir;
use webhooks_core::Builder;

use crate::world::World;

/// One `#[tokio::test]` for each test and store.
macro_rules! for_each_store {
    ($($test:ident),+ $(,)?) => {
        tests_on!(sqlite_memory, SqliteMemory, $($test)+);
        tests_on!(sqlite_file, SqliteFile, $($test)+);
    };
}

/// The same for what outlives the process.
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
                    super::$test(crate::store::Store::$store).await;
                }
            )+
        }
    };
}

mod cancel_race;
mod delivery;
mod endpoint_memory;
mod endpoint_state;
mod flush;
mod lane;
mod lane_timing;
mod management;
mod ordered_backlog;
mod own_headers;
mod partial_failure;
mod restart;
mod retention;
mod rotation;
mod send;

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

    /// An engine on an empty database.
    pub(crate) async fn world(self) -> World {
        self.world_with(|builder| builder).await
    }

    pub(crate) async fn world_with(self, change: impl FnOnce(Builder) -> Builder) -> World {
        let database = self.database();
        let mut world = World::open(Arc::default(), &database.address, change).await;
        world.database = Some(database);
        world
    }

    /// How many rows one of our tables has.
    pub(crate) async fn rows(self, world: &World, table: &'static str) -> usize {
        match self {
            Self::SqliteMemory | Self::SqliteFile => {
                let counted = world.webhooks.transaction(move |tx| {
                    let sql = format!("select count(*) from webhooks_{table}");
                    tx.query_row(&sql, [], |row| row.get::<_, u32>(0))
                });
                usize::try_from(counted.await.unwrap()).unwrap()
            }
        }
    }
}
