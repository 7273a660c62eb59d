//! The files that a talk shows, read relative to its folder, and which they were: those are
//! watched for changes.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::error::Problem;

/// Larger files are no code, picture or table of a slide. They would be inlined into the page.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What tells one state of a file from the next: its date and size. Two saves within one tick of
/// the file system's clock have the same date.
type Stamp = (SystemTime, u64);

/// Reads files beside a talk.
#[derive(Debug)]
pub(crate) struct Sources {
    talk: PathBuf,
    read: RefCell<Stamps>,
}

/// Files and how each was when it was read; `None` for one that is not there.
#[derive(Debug, Default)]
pub(crate) struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

impl Stamps {
    /// Notes a file, before it is read: a change while it is read is a change.
    fn note(&mut self, file: &Path) {
        self.0.insert(file.to_owned(), stamp(file));
    }

    /// Whether a file is no longer as it was when it was read.
    pub(crate) fn have_changed(&self) -> bool {
        self.0.iter().any(|(file, before)| stamp(file) != *before)
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}

impl Sources {
    pub(crate) fn of(talk: &Path) -> Self {
        Self {
            talk: talk.to_owned(),
            read: RefCell::default(),
        }
    }

    /// The talk's file.
    pub(crate) fn talk(&self) -> &Path {
        &self.talk
    }

    pub(crate) fn talk_text(&self) -> io::Result<String> {
        self.read.borrow_mut().note(&self.talk);
        let bytes = read(&self.talk)?;
        String::from_utf8(bytes).map_err(|_| not_text())
    }

    /// What the file holds; `name` is relative to the talk's folder.
    pub(crate) fn bytes(&self, name: &Path) -> Result<Vec<u8>, Problem> {
        let path = self.talk.parent().unwrap_or(Path::new("")).join(name);
        // Also a file that is missing is watched: it may appear.
        self.read.borrow_mut().note(&path);
        read(&path).map_err(|source| Problem::File {
            file: name.to_owned(),
            source,
        })
    }

    pub(crate) fn text(&self, name: &Path) -> Result<String, Problem> {
        String::from_utf8(self.bytes(name)?).map_err(|_| Problem::File {
            file: name.to_owned(),
            source: not_text(),
        })
    }

    /// Every file that was asked for, the talk among them.
    pub(crate) fn into_stamps(self) -> Stamps {
        self.read.into_inner()
    }
}

fn not_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text")
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let size_bytes = std::fs::metadata(path)?.len();
    if size_bytes > FILE_BYTES_MAX {
        let text = format!("it is {size_bytes} bytes; the limit is {FILE_BYTES_MAX}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    std::fs::read(path)
}
