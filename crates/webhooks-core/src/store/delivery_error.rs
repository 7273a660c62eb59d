//! Why a delivery could not be acted on.

use super::{endpoint_error::EndpointError, error::StoreError};
use crate::{endpoint::EndpointId, model::delivery::DeliveryOf};

/// A delivery could not be acted on.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The endpoint is unknown, or the store refused.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The customer has no such event, or no longer.
    #[error("customer {customer:?} has no event {event_id:?}; it may be older than the retention")]
    UnknownEvent {
        /// The customer asked for.
        customer: String,
        /// The event asked for.
        event_id: String,
    },
    /// The endpoint is disabled.
    #[error("endpoint {0} is disabled; enable it first")]
    Disabled(EndpointId),
    /// The delivery is not pending: it was made, or has ended.
    #[error(
        "event {event_id:?} is not pending for endpoint {endpoint_id}: it was delivered, or has ended"
    )]
    NotPending {
        /// The event asked for.
        event_id: String,
        /// The endpoint asked for.
        endpoint_id: EndpointId,
    },
}

crate::error_text::debug_is_display!(DeliveryError);

impl From<StoreError> for DeliveryError {
    fn from(error: StoreError) -> Self {
        Self::Endpoint(error.into())
    }
}

impl DeliveryOf {
    /// The customer has no such event.
    pub(super) fn unknown_event(&self) -> DeliveryError {
        DeliveryError::UnknownEvent {
            customer: self.endpoint.customer.clone(),
            event_id: self.event_id.clone(),
        }
    }

    /// It was made, or has ended.
    pub(super) fn not_pending(&self) -> DeliveryError {
        DeliveryError::NotPending {
            event_id: self.event_id.clone(),
            endpoint_id: self.endpoint.id.clone(),
        }
    }
}
