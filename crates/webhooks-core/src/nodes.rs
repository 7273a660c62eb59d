//! The engines that deliver from one database.

use crate::{
    model::node::Node,
    store::{Store, error::StoreError},
    webhooks::Webhooks,
};

impl Webhooks {
    /// The live engines on this Postgres database, including this one, and what each of them holds. A SQLite file
    /// has only one engine, which is not listed: the result is empty.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        match &*self.engine().store {
            Store::Postgres(handle) => handle.nodes().await,
            #[cfg(feature = "sqlite")]
            Store::Sqlite(_) => Ok(Vec::new()),
        }
    }
}
