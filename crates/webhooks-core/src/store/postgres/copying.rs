//! An unfinished copy into a schema: no engine delivers from half a store.

use super::row::Reader;
use crate::store::error::StoreError;

/// The setting that exists from the first transaction of a copy to its last.
pub(crate) const UNDER_WAY: &str = "copy_boot";

impl Reader<'_> {
    /// Whether a copy has begun and not ended. Checked after joining: a copy begins under a lock that keeps nodes
    /// from joining, and not while a node is alive.
    pub(super) async fn is_copied_into(&mut self) -> Result<bool, StoreError> {
        self.query("select 1 from webhooks.setting where name = $1")
            .bind(UNDER_WAY)
            .has_row(self.connection)
            .await
    }
}
