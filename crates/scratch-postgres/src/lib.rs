//! A PostgreSQL server for a test, with throwaway data.
//!
//! [`Cluster`] is a server of your own: it can be restarted as after a crash, be followed by a
//! [`Replica`] that can be promoted, and have PgBouncer in front of it ([`Pooler`]). [`Database`]
//! is what most tests need: an empty database, in the cluster that the whole run shares if there is
//! one. Nothing is left behind when a value is dropped, or when this process is killed.
//!
//! All functions block: on a runtime whose other tasks have to continue meanwhile, call them
//! through `spawn_blocking`.

mod cluster;
mod database;
mod pooler;
mod port;
mod programs;
mod replica;
mod server;
mod settings;
mod sql;

pub use cluster::{Cluster, Stop};
pub use database::{Database, SHARED};
pub use pooler::Pooler;
pub use programs::postgres as program;
pub use replica::{Replica, Replication};
pub use settings::Settings;
pub use sql::query;
