//! The data that the parts of the engine pass to each other, and logic on it that needs no database, network or
//! lock.

pub(crate) mod delivery;
pub(crate) mod endpoint;
#[cfg(feature = "metrics")]
pub(crate) mod gauges;
#[cfg(feature = "postgres")]
pub(crate) mod node;
pub(crate) mod outbox_rows;
pub(crate) mod outcome;
pub(crate) mod page;
pub(crate) mod replay;
pub(crate) mod uptime;
