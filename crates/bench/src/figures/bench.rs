//! What a figure works with.

use std::path::{Path, PathBuf};

use crate::{receiver_process::ReceiverProcess, settings::Settings};

/// The settings, the receiver and the disk.
pub(super) struct Bench<'a> {
    pub(super) settings: &'a Settings,
    pub(super) receiver: ReceiverProcess,
    /// On the disk that is measured; removed at the end.
    pub(super) folder: tempfile::TempDir,
}

impl Bench<'_> {
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn database(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.db"))
    }

    pub(super) fn port(&self) -> u16 {
        self.receiver.port()
    }

    /// Bytes of a database and its write-ahead log.
    pub(super) fn size_bytes(database: &Path) -> u64 {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let size = |file: &Path| std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        size(database) + size(Path::new(&log))
    }
}
