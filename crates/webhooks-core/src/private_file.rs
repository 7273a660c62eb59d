//! Files that only their owner can read and write, for a program that keeps webhooks, secrets or
//! phone numbers in files of its own. The engine's database and the replay guard's are made so.
//!
//! A file that exists keeps its permissions: whoever set them meant them.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Makes an empty file for its owner alone; one that is there stays as it is. SQLite gives the
/// files beside a database the permissions of the database, so call it before opening one.
///
/// # Errors
/// What the operating system refused: name a file in a directory that can be written to.
pub fn create(file: &Path) -> io::Result<()> {
    match create_new(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

/// Makes an empty file for its owner alone and opens it to write.
///
/// # Errors
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists) when it is there, else as [`create`].
pub fn create_new(file: &Path) -> io::Result<File> {
    options().create_new(true).open(file)
}

/// Options to write a file, made for its owner alone should it be made; add `create`, `append` or
/// `read` as needed.
#[must_use]
pub fn options() -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
