//! The store in Postgres: a writer that sends each batch as a few statements over whole arrays, and
//! queries on connections of their own.
//!
//! Every engine is a node: it has a row that says that it is alive. What it has in memory is claimed under
//! its number; a node that finds another dead frees what that one claimed.

pub(crate) mod address;
mod arrivals;
mod attempts;
mod balance;
mod bell;
mod change;
mod chosen_ids;
mod commit;
mod completion;
pub(crate) mod connection;
pub(crate) mod copying;
mod endpoint_state;
mod endpoints;
pub(crate) mod error;
mod failed_batch;
mod favourites;
mod floor;
#[cfg(feature = "metrics")]
mod gauges;
mod give_back;
pub(crate) mod handle;
mod head;
mod held_lanes;
mod history;
mod joining;
mod lane;
mod lane_locks;
mod let_go;
mod listener;
mod listing;
mod live;
mod manage;
mod membership;
pub(crate) mod migration;
mod new_deliveries;
mod new_events;
pub(crate) mod node;
mod nodes;
mod old_snapshot;
pub(crate) mod open;
mod outbox_table;
mod pace;
pub(crate) mod partition;
mod perform;
mod plain_batch;
mod pulse;
mod read;
mod reaper;
mod refill;
mod replay;
mod requirements;
mod retention;
pub(crate) mod row;
mod scan;
pub(crate) mod schema;
mod secrets;
mod send;
mod send_in;
pub(crate) mod session;
mod set_aside;
pub(crate) mod slot;
mod standing;
mod sweep;
mod trouble;
mod tx;
mod vacuum;
pub(crate) mod watch;
mod witness;
pub(crate) mod writer;
