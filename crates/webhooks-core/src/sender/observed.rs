//! What can be observed of an attempt: its span, its line in the log, its metrics.

use tracing::{Span, field::Empty};

use crate::{
    attempt::Failure,
    metrics,
    model::{delivery::StoredEvent, endpoint::EndpointRecord, outcome::AttemptRecord},
};

/// The span of one attempt. Fields that begin with `otel.`, `http.` and `error.` follow OpenTelemetry's
/// conventions.
pub(super) fn span(endpoint: &EndpointRecord, event: &StoredEvent) -> Span {
    tracing::info_span!(
        "webhooks.attempt",
        otel.kind = "client",
        http.request.method = "POST",
        http.response.status_code = Empty,
        "error.type" = Empty,
        customer = &*endpoint.customer,
        endpoint.id = endpoint.id.as_str(),
        url = endpoint.shown_url,
        event.id = event.id,
    )
}

/// Reports the outcome. A failure is logged when it is judged.
pub(super) fn tell(
    span: &Span,
    endpoint: &EndpointRecord,
    event: &StoredEvent,
    record: &AttemptRecord,
) {
    if let Some(status) = record.status {
        span.record("http.response.status_code", status);
    }
    match &record.failure {
        Some(failure) => {
            span.record("error.type", Failure::code(failure));
        }
        None => tracing::debug!(
            customer = &*endpoint.customer,
            endpoint.id = endpoint.id.as_str(),
            url = endpoint.shown_url,
            event.id = event.id,
            status = record.status,
            duration_ms = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
            "an attempt succeeded"
        ),
    }
    metrics::attempted(record);
}
