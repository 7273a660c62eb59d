//! The optional file that keeps texts across a restart: JSON lines, appended at each change, and
//! rewritten when most of its lines are outdated or when a text is redacted or deleted, so that
//! nothing of that text remains.
//!
//! It survives the end of the program at any moment. It is not synced to disk: it holds test data,
//! and the last lines may be lost if the machine itself stops.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use webhooks_core::private_file;

use crate::message::Message;

/// A larger file was not written by this program, which keeps it far smaller.
const LARGEST_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A file with this many lines per text is rewritten.
const LINES_PER_TEXT: usize = 8;

/// The file that texts are kept in cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The operating system refused.
    #[error("cannot use {path} to keep texts: {source}; name a file in a directory you may write")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Another dev-phone has it.
    #[error("{path} is in use by another dev-phone; stop that one or name another file")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A line is not a kept text; the file is left unchanged.
    #[error(
        "line {line} of {path} is not a kept text; move the file away or name another: {source}"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Too large to be one of ours.
    #[error("{path} is {size_bytes} bytes; the limit is {LARGEST_FILE_BYTES}; name another file")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
    },
}

/// An open, locked file of texts.
#[derive(Debug)]
pub(crate) struct KeepFile {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl KeepFile {
    /// Opens or creates the file and reads its newest `most` texts, oldest first.
    pub(crate) fn open(path: &Path, most: usize) -> Result<(Self, Vec<Message>), KeepError> {
        let refused = |source| KeepError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = open_for_appending(path).map_err(refused)?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => KeepError::InUse {
                path: path.to_owned(),
            },
            std::fs::TryLockError::Error(source) => refused(source),
        })?;
        let size_bytes = file.metadata().map_err(refused)?.len();
        if size_bytes > LARGEST_FILE_BYTES {
            return Err(KeepError::TooLarge {
                path: path.to_owned(),
                size_bytes,
            });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(refused)?;
        let mut messages: Vec<Message> = read_lines(path, &text)?.into_values().collect();
        messages.drain(..messages.len().saturating_sub(most));
        let mut keep = Self {
            path: path.to_owned(),
            file,
            lines: 0,
        };
        keep.rewrite(messages.iter()).map_err(refused)?;
        Ok((keep, messages))
    }

    /// Appends a text as it is now; of several lines about one text, the last counts.
    pub(crate) fn put(&mut self, message: &Message) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.lines += 1;
        Ok(())
    }

    /// Whether [`rewrite`](Self::rewrite) is due, for a phone that holds up to `most` texts.
    pub(crate) fn is_long(&self, most: usize) -> bool {
        self.lines >= most.saturating_mul(LINES_PER_TEXT)
    }

    /// Replaces the file with one that holds only these texts.
    pub(crate) fn rewrite<'a>(
        &mut self,
        messages: impl Iterator<Item = &'a Message>,
    ) -> std::io::Result<()> {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let new = PathBuf::from(name);
        let _ = std::fs::remove_file(&new);
        let file = open_for_appending(&new)?;
        file.try_lock()?;
        let mut kept = Self {
            path: self.path.clone(),
            file,
            lines: 0,
        };
        for message in messages {
            kept.put(message)?;
        }
        std::fs::rename(&new, &self.path)?;
        *self = kept;
        Ok(())
    }
}

fn open_for_appending(path: &Path) -> std::io::Result<File> {
    private_file::options()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
}

fn read_lines(path: &Path, text: &str) -> Result<BTreeMap<u64, Message>, KeepError> {
    let mut messages = BTreeMap::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        // A last line without a line end was being written when the program stopped.
        let Some(line) = line.strip_suffix('\n') else {
            tracing::warn!("the last line of the kept texts was cut short and is ignored");
            break;
        };
        let message: Message = serde_json::from_str(line).map_err(|source| KeepError::Line {
            path: path.to_owned(),
            line: index + 1,
            source,
        })?;
        messages.insert(message.serial, message);
    }
    Ok(messages)
}
