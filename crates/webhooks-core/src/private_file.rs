//! Files that only their owner can read and write, for programs that keep webhooks, secrets or phone numbers in
//! files of their own. The engine's database and the replay guard's are created this way.
//!
//! An existing file keeps its permissions: whoever set them meant them.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Creates an empty file that only its owner can access; an existing file is left unchanged. SQLite gives the
/// files next to a database the permissions of the database, so call this before opening one.
///
/// # Errors
/// The error from the operating system; use a file in a writable directory.
pub fn create(file: &Path) -> io::Result<()> {
    match create_new(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

/// Creates an empty file that only its owner can access, and opens it for writing.
///
/// # Errors
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the file exists, otherwise as for [`create`].
pub fn create_new(file: &Path) -> io::Result<File> {
    options().create_new(true).open(file)
}

/// Options for writing a file that only its owner can access if it is created; add `create`, `append` or `read` as
/// needed.
#[must_use]
pub fn options() -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
