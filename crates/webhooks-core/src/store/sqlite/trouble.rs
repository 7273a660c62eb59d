//! Which endpoints were in trouble when the previous process ended.

use rusqlite::Connection;

use super::{endpoints, statement::Statements};
use crate::{
    clock::Timeline,
    store::{
        endpoint_row::EndpointReader,
        error::StoreError,
        trouble::{NAMED_MAX, count_others, name},
    },
};

/// Names those that have been failing longest.
pub(crate) fn tell(
    connection: &Connection,
    reader: &EndpointReader,
    timeline: &Timeline,
) -> Result<(), StoreError> {
    let keys: Vec<i64> = connection.read_rows(
        "select e.key from webhooks_lane l join webhooks_endpoint e on e.key = l.endpoint_key
         where l.failures > 0 and e.state = 'active' order by e.failing_since, e.key",
        [],
        |row| row.get(0),
    )?;
    for key in keys.iter().take(NAMED_MAX) {
        name(
            endpoints::read(reader, connection, "key = ?1", [key]),
            timeline,
        )?;
    }
    count_others(keys.len());
    Ok(())
}
