//! What a sender needs to know about a delivery: the event, and the part of the row that memory holds.

use std::sync::Arc;

use bytes::Bytes;

use super::endpoint::EndpointOf;

/// One event at one of a customer's endpoints.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryOf {
    pub(crate) endpoint: EndpointOf,
    pub(crate) event_id: String,
}

/// An event as a sender needs it.
#[derive(Debug)]
pub(crate) struct StoredEvent {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) body: Bytes,
    /// The W3C trace context in which it was sent.
    pub(crate) traceparent: Option<String>,
}

/// A delivery held in memory. `claim` is its fencing token: a completion whose claim no longer matches the row's
/// changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedDelivery {
    pub(crate) event: Arc<StoredEvent>,
    pub(crate) claim: i64,
    /// How many attempts of the current schedule were made.
    pub(crate) attempts: u32,
    /// The number of the last attempt ever made.
    pub(crate) number: u32,
}
