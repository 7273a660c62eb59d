//! What a sender needs of a delivery: the event, and what memory holds of the row.

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
    /// The W3C trace context that it was sent in.
    pub(crate) traceparent: Option<String>,
}

/// A delivery held in memory. `claim` fences: a completion whose claim is no longer the row's
/// changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedDelivery {
    pub(crate) event: Arc<StoredEvent>,
    pub(crate) claim: i64,
    /// Attempts made of the current schedule.
    pub(crate) attempts: u32,
    /// The number of the last attempt ever made.
    pub(crate) number: u32,
}
