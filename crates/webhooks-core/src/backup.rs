//! Backups of the file while it is in use.

use std::path::Path;

use crate::{
    store::{Store, backup_error::BackupError},
    webhooks::Webhooks,
};

impl Webhooks {
    /// Copies the database, as it is at this moment, to a new file that only its owner can read, while events are
    /// sent and delivered. The copy can be opened like the file itself; see [the guide](crate::guide::operating)
    /// for what a restore means.
    ///
    /// Nothing waits for it, but the write-ahead log cannot be checkpointed meanwhile: the disk needs room for the
    /// copy and for everything that is written while it is made.
    ///
    /// # Errors
    /// No backup was made; [`BackupError`] says why.
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<(), BackupError> {
        let path = path.as_ref();
        match &*self.engine().store {
            Store::Sqlite(handle) => handle.backup(path).await?,
            #[cfg(feature = "postgres")]
            Store::Postgres(_) => return Err(BackupError::Postgres),
        }
        tracing::info!(path = %path.display(), "a backup was made");
        Ok(())
    }
}
