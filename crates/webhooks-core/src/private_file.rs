//! Files for their owner alone: what customers were sent and their secrets are in them.

use std::{fs::File, io, path::Path};

/// Makes an empty file that only its owner can read and write; one that is there stays as it is.
/// SQLite gives the files beside a database the permissions of the database.
pub(crate) fn create(file: &Path) -> io::Result<()> {
    match create_new(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

/// Makes an empty file that only its owner can read and write, unless there is one.
pub(crate) fn create_new(file: &Path) -> io::Result<File> {
    options().create_new(true).open(file)
}

/// Opens a file to write, made for its owner alone when there is none.
pub(crate) fn open(file: &Path) -> io::Result<File> {
    options().create(true).truncate(false).open(file)
}

fn options() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
