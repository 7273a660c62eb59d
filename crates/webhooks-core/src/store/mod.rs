//! The store: what is kept, and in which order it changes.
//!
//! This is the interface that each kind of store implements. `queue` holds what waits for the writer:
//! events to store, outcomes ([`completion`]), and everything else as [`ask::Ask`]. `committed` is what
//! follows from a transaction. Queries are methods of [`Store`]. Below it are `model` and `outbox`; the
//! store knows nothing about what makes attempts.

pub(crate) mod address;
pub(crate) mod ask;
mod attempt_row;
#[cfg(feature = "sqlite")]
pub(crate) mod backup_error;
pub(crate) mod busy;
mod claim;
pub(crate) mod commit;
pub(crate) mod committed;
pub(crate) mod completion;
pub(crate) mod delivery_error;
mod delivery_state;
mod due;
pub(crate) mod durability;
pub(crate) mod endpoint_cache;
pub(crate) mod endpoint_error;
pub(crate) mod endpoint_row;
pub(crate) mod error;
pub(crate) mod handle;
pub(crate) mod host;
pub(crate) mod lease;
pub(crate) mod open_error;
pub(crate) mod open_settings;
pub(crate) mod opened;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod queue;
mod readers;
pub(crate) mod refusals;
pub(crate) mod reply;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
mod taken_away;
mod trouble;

pub(crate) use handle::Store;

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("the engine needs a store: turn on the feature `sqlite` or `postgres`");
