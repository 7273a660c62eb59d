//! What the parts of the engine hand to each other: data, and what can be said of it without a
//! database, a network or a lock.

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
