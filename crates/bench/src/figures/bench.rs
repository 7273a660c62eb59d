//! What a figure works with.

use std::path::{Path, PathBuf};

use anyhow::Context;
use scratch_postgres::{Cluster, Database};

use crate::{load::Store, receiver_process::ReceiverProcess, settings::Settings};

/// The settings, the receiver, the disk, and the server for stores that are not files.
pub(super) struct Bench<'a> {
    pub(super) settings: &'a Settings,
    pub(super) receiver: ReceiverProcess,
    /// On the disk that is measured; removed at the end.
    pub(super) folder: tempfile::TempDir,
    /// Where stores are created; when absent, they are files.
    pub(super) server: Option<Cluster>,
}

/// A store that nothing has used yet; if it is in a server, dropping this value deletes it.
pub(super) struct Fresh {
    pub(super) store: Store,
    _database: Option<Database>,
}

impl Bench<'_> {
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn database(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.db"))
    }

    /// Creates a store. `name` names its file.
    pub(super) fn fresh(&self, name: &str) -> anyhow::Result<Fresh> {
        let Some(server) = &self.server else {
            return Ok(Fresh {
                store: Store::Sqlite(self.database(name)),
                _database: None,
            });
        };
        let database = server.database()?;
        Ok(Fresh {
            store: Store::Postgres {
                url: database.url().to_owned(),
                process: server.process().context("the server has stopped")?,
            },
            _database: Some(database),
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.receiver.port()
    }

    /// The size of a database and its write-ahead log in bytes.
    pub(super) fn size_bytes(database: &Path) -> u64 {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let size = |file: &Path| std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        size(database) + size(Path::new(&log))
    }
}
