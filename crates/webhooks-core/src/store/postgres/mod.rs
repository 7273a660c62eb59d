//! The store in Postgres: a writer that sends each batch as a few statements over whole arrays,
//! questions on connections of their own.
//!
//! Every engine is a node: a row that says that it lives. What it has in memory is claimed by its
//! number; who finds a node dead frees what it claimed.

pub(crate) mod address;
mod attempts;
mod change;
mod completion;
mod connection;
mod endpoint_state;
mod endpoints;
mod error;
#[cfg(feature = "metrics")]
mod gauges;
pub(crate) mod handle;
mod lane;
mod listing;
mod manage;
pub(crate) mod migration;
mod node;
mod nodes;
pub(crate) mod open;
mod outbox_table;
mod owing;
mod partition;
mod perform;
mod read;
mod replay;
mod retention;
mod row;
mod scan;
mod schema;
mod secrets;
mod send;
mod send_in;
mod slot;
mod sweep;
mod tx;
mod vacuum;
pub(crate) mod watch;
mod witness;
pub(crate) mod writer;
