//! One engine at a time delivers from a file.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::private_file;
use crate::store::open_error::OpenError;

/// How often to try the lock of an engine that is about to stop.
const TRY_WAIT: Duration = Duration::from_millis(50);

/// Keeps other processes from the file for as long as it lives.
///
/// The lock is on a separate file, because closing any handle of the database file itself would release
/// SQLite's own POSIX locks.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock, waiting for at most `wait` for another engine to stop. Blocks its thread.
    pub(crate) fn take(database: &Path, wait: Duration) -> Result<Self, OpenError> {
        let shown = database.display().to_string();
        let folder = database
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let io = |source: std::io::Error| OpenError::Io {
            file: shown.clone(),
            source: match folder {
                Some(folder) if !folder.is_dir() => std::io::Error::new(
                    source.kind(),
                    format!("there is no folder {}; create it first", folder.display()),
                ),
                _ => source,
            },
        };
        let file = private_file::options()
            .create(true)
            .truncate(false)
            .open(lock_of(database))
            .map_err(io)?;
        let since = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
                Err(std::fs::TryLockError::WouldBlock) => {}
            }
            let left = wait.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Err(OpenError::InUse { file: shown });
            }
            if !std::mem::replace(&mut said, true) {
                tracing::info!(
                    file = shown,
                    wait_s = wait.as_secs(),
                    "another process delivers from this file; waiting for it to stop"
                );
            }
            std::thread::sleep(TRY_WAIT.min(left));
        }
    }
}

/// One lock per file, by whatever name it is opened; a file that does not exist yet has one too.
fn lock_of(database: &Path) -> PathBuf {
    let resolved = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut name = resolved.into_os_string();
    name.push("-lock");
    name.into()
}
