//! The store in SQLite: one writer thread with group commit, and separate readers.

pub(crate) mod act;
pub(crate) mod backup;
mod completion;
mod customer_events;
mod ending;
mod endpoint_state;
pub(crate) mod endpoints;
mod error;
pub(crate) mod file_lock;
mod fold;
#[cfg(feature = "metrics")]
pub(crate) mod gauges;
pub(crate) mod guard;
pub(crate) mod handle;
mod lane;
mod listing;
mod manage;
pub(crate) mod open;
pub(crate) mod outbox_table;
pub(crate) mod outbox_watch;
mod perform;
mod read;
mod replay;
pub(crate) mod retention;
mod row;
mod scan;
pub(crate) mod schema;
mod secrets;
pub(crate) mod send;
mod sequence;
pub(crate) mod setting;
mod sweep;
mod trouble;
pub(crate) mod tx;
mod uptime;
pub(crate) mod version;
pub(crate) mod writer;
