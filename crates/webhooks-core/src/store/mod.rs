//! The store: what is kept, and in which order it changes.

pub(crate) mod completion;
pub(crate) mod delivery_error;
pub(crate) mod endpoint_error;
pub(crate) mod error;
pub(crate) mod queue;
pub(crate) mod sqlite;
