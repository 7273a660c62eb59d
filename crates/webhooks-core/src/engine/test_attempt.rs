//! One attempt that a person asks for: outside the queues, and not stored.

use super::{Shared, TESTS_MAX};
use crate::{
    attempt::Attempt,
    event::{EventError, PreparedEvent},
    model::{delivery::StoredEvent, endpoint::EndpointRecord},
    store::endpoint_error::EndpointError,
};

/// An endpoint could not be tested.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The event is invalid.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The customer has no such endpoint, or the store could not be read.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The maximum number of tests is already running.
    #[error("{TESTS_MAX} tests are already running, which is the limit; try again in a moment")]
    TooMany,
    /// This machine could not make the request; it is not the receiver's failure.
    #[error("the request could not be made: {0}")]
    Machine(String),
    /// The engine was shut down.
    #[error("the engine was shut down")]
    Closed,
}

crate::error_text::debug_is_display!(TestError);

/// Makes the attempt, within the engine's time limit.
pub(crate) async fn test_attempt(
    shared: &Shared,
    endpoint: &EndpointRecord,
    event: PreparedEvent,
) -> Result<Attempt, TestError> {
    let Ok(_place) = shared.tests.try_acquire() else {
        return Err(TestError::TooMany);
    };
    let event = StoredEvent {
        seq: 0,
        id: event.id,
        body: event.body,
        traceparent: event.traceparent,
    };
    let stopped = shared.stopped.notified();
    if shared.is_stopping() {
        return Err(TestError::Closed);
    }
    let response = tokio::select! {
        response = shared.sender.attempt(endpoint, &event, &shared.timeline) => response,
        () = stopped => return Err(TestError::Closed),
    };
    let response = response.map_err(|error| TestError::Machine(error.to_string()))?;
    let attempt = response.record.to_public(&shared.timeline, 1);
    tracing::info!(
        customer = &*endpoint.customer,
        endpoint.id = %endpoint.id,
        url = endpoint.shown_url,
        event.id,
        status = attempt.status,
        "an endpoint was tested"
    );
    Ok(attempt)
}
