//! What templates and expressions see of an event.

use jiff::Timestamp;
use minijinja::{Value, value::Serde};
use serde::{Deserialize, Serialize};
use serde_json::Map;

/// The names that every event has; a fetch adds others.
pub(crate) const NAMES: [&str; 5] = ["id", "event", "source", "received_at", "data"];

/// One event as it was received, and as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Received {
    /// The sender's id; a hash when no signed id came with it.
    pub(crate) id: String,
    /// Its type, as its sender calls it.
    pub(crate) event: String,
    /// The source's name.
    pub(crate) source: String,
    /// What happened.
    pub(crate) data: serde_json::Value,
}

/// What earlier actions of the rule fetched, by name.
pub(crate) type Added = Map<String, serde_json::Value>;

impl Received {
    /// The values for templates.
    pub(crate) fn values(&self, received_at: Timestamp, added: &Added) -> Value {
        let at = format!("{received_at:.0}");
        let mut values: Map<String, serde_json::Value> = added.clone();
        values.insert("id".to_owned(), self.id.clone().into());
        values.insert("event".to_owned(), self.event.clone().into());
        values.insert("source".to_owned(), self.source.clone().into());
        values.insert("received_at".to_owned(), at.into());
        values.insert("data".to_owned(), self.data.clone());
        Value::from(Serde(&values))
    }
}
