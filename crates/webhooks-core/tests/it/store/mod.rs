//! What every store must do, seen through the public API: each test runs on each of them.
//!
//! What is SQLite's own (a file, `Webhooks::transaction`) is tested outside of this folder.
#![cfg(feature = "testing")]

use std::{sync::Arc, time::Duration};

use webhooks_core::Builder;

#[cfg(feature = "postgres")]
use crate::world::outside::{Outside, Sql};
use crate::{each_store::Store, world::World};

mod abandoned_call;
mod cancel_race;
pub(crate) mod clock_jump;
mod delivery;
pub(crate) mod downtime;
mod endpoint_memory;
mod endpoint_state;
mod failed_commit;
mod flush;
mod isolation;
mod lane;
mod lane_race;
mod lane_timing;
mod management;
mod ordered_backlog;
mod outbox_table;
mod own_headers;
mod partial_failure;
mod quiet_customer;
mod refused_refill;
mod restart;
mod retention;
mod rotation;
mod sealed;
mod send;
mod stop;
mod unreadable_endpoint;
mod waiting_request;
mod worker_panic;

impl Store {
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

    /// What is done is deleted in pieces of this length: Postgres takes whole days away.
    pub(crate) fn grain(self) -> Duration {
        match self {
            Self::SqliteMemory | Self::SqliteFile => Duration::ZERO,
            #[cfg(feature = "postgres")]
            Self::Postgres => Duration::from_secs(24 * 3_600),
        }
    }

    /// How many rows one of our tables has: of some, a condition behind its name says which.
    pub(crate) async fn rows(self, world: &World, table: &'static str) -> usize {
        match self {
            Self::SqliteMemory | Self::SqliteFile => {
                let counted = world.webhooks.transaction(move |tx| {
                    let sql = format!("select count(*) from webhooks_{table}");
                    tx.query_row(&sql, [], |row| row.get::<_, u32>(0))
                });
                usize::try_from(counted.await.unwrap()).unwrap()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres => {
                let count = format!("select count(*)::text from webhooks.{table}");
                let sql = Sql {
                    sqlite: "",
                    postgres: &count,
                };
                let rows = Outside::at(&world.address).rows(sql).await;
                rows[0].parse().unwrap()
            }
        }
    }
}
