//! Nodes: the engines on one database.

use std::time::SystemTime;

/// An engine on a database that several can share.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its number; each start of an engine has another.
    pub id: i64,
    /// `host:process`, for people.
    pub name: String,
    /// Whether it is this engine.
    pub is_this: bool,
    /// When it last said that it lives, by the database's clock.
    pub seen_at: SystemTime,
    /// Deliveries in its memory: about to be sent, or in flight.
    pub held: u64,
    /// Since when the oldest of them is owed; `None` without any.
    pub held_since: Option<SystemTime>,
    /// Endpoints with an order or limits of which it has the lane.
    pub lanes: u64,
}
