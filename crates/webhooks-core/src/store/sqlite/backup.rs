//! A copy of the database while it is in use.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use super::schema;
use crate::{private_file, store::backup_error::BackupError};

/// Copies `database` as it is at this moment to `path`, completely or not at all. Blocks its thread.
pub(crate) fn make(database: &Path, path: &Path) -> Result<(), BackupError> {
    let shown = || path.display().to_string();
    let io = |source| BackupError::Io {
        path: shown(),
        source,
    };
    if path.try_exists().map_err(io)? {
        return Err(BackupError::Exists { path: shown() });
    }
    let partial = Partial::create(path).map_err(io)?;
    copy(database, &partial.0).map_err(|source| BackupError::Database {
        path: shown(),
        source: Arc::new(source),
    })?;
    name(&partial, path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { path: shown() },
        _ => io(error),
    })?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    sync_folder(folder.unwrap_or(Path::new("."))).map_err(io)
}

/// Gives the copy its name. Unlike a rename, a link does not replace a file that was created meanwhile;
/// but not every file system has links.
fn name(partial: &Partial, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(&partial.0, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            std::fs::rename(&partial.0, path)
        }
        linked => linked,
    }
}

/// One step for all pages: with several, the copy starts over whenever the database is written between
/// them, and a busy one would never be copied. Writers do not wait for it.
fn copy(database: &Path, to: &Path) -> rusqlite::Result<()> {
    let from = schema::open_reader(database)?;
    let mut to = Connection::open(to)?;
    match Backup::new(&from, &mut to)?.step(-1)? {
        StepResult::Done => {}
        _ => return Err(locked()),
    }
    // The file alone is the copy: in this mode there is no separate log.
    to.pragma_update(None, "journal_mode", "delete")?;
    to.close().map_err(|(_, error)| error)
}

fn locked() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    rusqlite::Error::SqliteFailure(code, None)
}

/// A name is on disk once its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// What is written before it gets its name; removed in any case.
struct Partial(PathBuf);

impl Partial {
    fn create(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.partial", uuid::Uuid::new_v4().simple()));
        let partial = Self(name.into());
        private_file::create_new(&partial.0)?;
        Ok(partial)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %self.0.display(), %error, "the unfinished file of a backup could not be removed");
        }
    }
}
