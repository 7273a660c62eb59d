//! The engines that deliver from one database.

use crate::{
    model::node::Node,
    store::{Store, error::StoreError},
    webhooks::Webhooks,
};

impl Webhooks {
    /// The engines on this Postgres database that live, this one among them, and what each has in
    /// hand. Of a SQLite file there is one engine, and nothing is said of it: the answer is empty.
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
