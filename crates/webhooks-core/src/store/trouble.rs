//! Endpoints that were in trouble before an engine started: logged at the start, because what was logged
//! about them earlier is in another log.

use crate::{clock::Timeline, model::endpoint::EndpointRecord, store::error::StoreError};

/// Endpoints that are named, those that have been failing longest first; the others are only counted.
pub(super) const NAMED_MAX: usize = 20;

/// Names an endpoint, or what is wrong with it.
///
/// # Errors
/// Errors that concern the whole store.
pub(super) fn name(
    read: Result<Vec<EndpointRecord>, StoreError>,
    timeline: &Timeline,
) -> Result<(), StoreError> {
    match read {
        Ok(found) => {
            for endpoint in found {
                let since = endpoint.failing_since.map(|at| timeline.to_wall(at));
                tracing::warn!(
                    customer = &*endpoint.customer,
                    endpoint.id = endpoint.id.as_str(),
                    url = endpoint.shown_url,
                    failing_since = since.map(httpdate::fmt_http_date),
                    "an endpoint has been in trouble since before the start; its deliveries wait in its lane"
                );
            }
            Ok(())
        }
        Err(error) if error.is_about_an_endpoint() => {
            tracing::error!(%error, "an endpoint cannot be read");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Logs how many there are besides those that were named.
pub(super) fn count_others(endpoints: usize) {
    if endpoints > NAMED_MAX {
        tracing::warn!(
            endpoints = endpoints - NAMED_MAX,
            "more endpoints have been in trouble since before the start"
        );
    }
}
