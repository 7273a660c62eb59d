//! A PostgreSQL server for a test, with data that is thrown away.
//!
//! [`Cluster`] is a server of its own: it can be restarted as by a crash, be followed by a
//! [`Replica`] that is promoted, and have PgBouncer in front of it ([`Pooler`]). [`Database`] is
//! what most tests want: an empty database, in the cluster that the whole run shares where there is
//! one. Nothing is left when a value is dropped, or when this process is killed.
//!
//! All of it blocks: on a runtime whose other tasks have to go on meanwhile, call it by
//! `spawn_blocking`.

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
