//! The store: what is kept, and in which order it changes.
//!
//! The seam for a second one. `queue` is what waits for whoever writes: events to store, outcomes
//! ([`completion`]), and everything else as [`ask::Ask`]. `committed` is what follows from a
//! transaction. Questions are methods of [`Store`]. Below it are `model` and `outbox`; the store
//! knows nothing of who makes attempts.

pub(crate) mod ask;
pub(crate) mod committed;
pub(crate) mod completion;
pub(crate) mod delivery_error;
pub(crate) mod endpoint_error;
pub(crate) mod error;
pub(crate) mod host;
pub(crate) mod queue;
pub(crate) mod reply;
pub(crate) mod sqlite;

/// What the engine has in hand of its store.
pub(crate) type Store = sqlite::handle::Handle;
