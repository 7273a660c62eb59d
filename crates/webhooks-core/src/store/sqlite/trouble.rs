//! Endpoints that were in trouble when the process before this one ended: said at the start, since
//! what was said of them then is in another log.

use rusqlite::Connection;

use super::endpoints;
use crate::{
    clock::Timeline,
    store::{endpoint_row::EndpointReader, error::StoreError},
};

/// Endpoints that are named; of more the number is said.
const NAMED_MAX: usize = 20;

/// Names those that failed for the longest time.
pub(crate) fn tell(
    connection: &Connection,
    reader: &EndpointReader,
    timeline: &Timeline,
) -> Result<(), StoreError> {
    let keys: Vec<i64> = connection
        .prepare(
            "select e.key from webhooks_lane l join webhooks_endpoint e on e.key = l.endpoint_key
             where l.failures > 0 and e.state = 'active' order by e.failing_since, e.key",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for key in keys.iter().take(NAMED_MAX) {
        match endpoints::read(reader, connection, "key = ?1", [key]) {
            Ok(found) => {
                for endpoint in found {
                    let since = endpoint.failing_since.map(|at| timeline.to_wall(at));
                    tracing::warn!(
                        customer = &*endpoint.customer,
                        endpoint.id = endpoint.id.as_str(),
                        url = endpoint.shown_url,
                        failing_since = since.map(httpdate::fmt_http_date),
                        "an endpoint is in trouble since before the start; its deliveries wait in its lane"
                    );
                }
            }
            Err(error) if error.is_about_an_endpoint() => {
                tracing::error!(%error, "an endpoint cannot be read");
            }
            Err(error) => return Err(error),
        }
    }
    if keys.len() > NAMED_MAX {
        tracing::warn!(
            endpoints = keys.len() - NAMED_MAX,
            "more endpoints are in trouble since before the start"
        );
    }
    Ok(())
}
