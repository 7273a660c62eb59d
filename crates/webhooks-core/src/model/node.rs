//! Nodes: the engines on one database.

use std::time::SystemTime;

/// An engine on a database that several can share.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its number; an engine gets a new one at each start.
    pub id: i64,
    /// `host:process`, as text for people.
    pub name: String,
    /// Whether it is this engine.
    pub is_this: bool,
    /// The time of its last heartbeat, by the database's clock.
    pub seen_at: SystemTime,
    /// Deliveries in its memory: about to be sent, or in flight.
    pub held: u64,
    /// Since when the oldest of them has been pending; `None` if there are none.
    pub held_since: Option<SystemTime>,
    /// The number of ordered or limited endpoints whose lane it holds.
    pub lanes: u64,
}
