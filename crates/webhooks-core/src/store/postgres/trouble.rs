//! Which endpoints are in trouble when an engine starts.

use super::{
    endpoints::{self, Selection},
    row::Reader,
};
use crate::{
    clock::Timeline,
    store::{
        endpoint_row::EndpointReader,
        error::StoreError,
        trouble::{NAMED_MAX, count_others, name},
    },
};

/// Names those that have been failing longest. Reads all lanes, so it is done only at the start.
pub(super) async fn tell(
    rows: &mut Reader<'_>,
    reader: &EndpointReader,
    timeline: &Timeline,
) -> Result<(), StoreError> {
    let keys: Vec<i64> = rows
        .query(
            "select e.key from webhooks.lane l join webhooks.endpoint e on e.key = l.endpoint_key
             where l.failures > 0 and e.state = 'active' order by e.failing_since nulls first, e.key",
        )
        .read_values(rows.connection)
        .await?;
    for key in keys.iter().take(NAMED_MAX) {
        let selection = Selection::Keys(std::slice::from_ref(key));
        name(endpoints::read(reader, rows, selection).await, timeline)?;
    }
    count_others(keys.len());
    Ok(())
}
