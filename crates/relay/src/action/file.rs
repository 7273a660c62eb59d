//! A line of JSON appended to a file, for your own analysis.

use std::{
    fmt, fs,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use minijinja::Value;
use webhooks_core::private_file;

use super::{
    attempt::{Attempt, Outcome},
    body::Body,
    keys::Keys,
};
use crate::template::RenderError;

/// Which file a line is appended to, and what it says.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    body: Option<Body>,
}

/// A line, including its line end.
#[derive(Debug)]
pub(crate) struct Line {
    path: PathBuf,
    text: String,
}

impl File {
    pub(super) fn read(keys: &Keys<'_>) -> Option<Self> {
        let path = keys.section.required("path");
        let body = keys
            .section
            .section("body")
            .map(|body| Body::table(keys, &body));
        Some(Self {
            path: keys.section.file.path(&path?.text),
            body,
        })
    }

    /// The length of the file: an attempt writes after that.
    pub(super) fn mark(&self) -> String {
        fs::metadata(&self.path)
            .map_or(0, |file| file.len())
            .to_string()
    }

    pub(super) fn prepare(&self, values: &Value) -> Result<Line, RenderError> {
        let all =
            || serde_json::to_value(values).map_err(|error| RenderError::new(error.to_string()));
        let mut line = match &self.body {
            Some(body) => body.render(values)?,
            None => all()?,
        };
        // A line that was written before is recognised by its id.
        if let Some(line) = line.as_object_mut()
            && !line.contains_key("id")
        {
            let id = values.get_attr("id").unwrap_or_default().to_string();
            line.insert("id".to_owned(), id.into());
        }
        Ok(Line {
            path: self.path.clone(),
            text: format!("{line}\n"),
        })
    }

    pub(super) async fn perform(&self, line: Line, attempt: &Attempt) -> Outcome {
        let before = attempt.before.as_ref();
        let mark = before.map(|before| {
            before
                .mark
                .as_deref()
                .and_then(|mark| mark.parse().ok())
                .unwrap_or(0)
        });
        let shown = line.path.display().to_string();
        let written = tokio::task::spawn_blocking(move || append(&line, mark)).await;
        match written
            .map_err(|error| AppendError::Write(io::Error::other(error)))
            .and_then(|written| written)
        {
            Ok(true) => Outcome::done(format!("appended to {shown}")),
            Ok(false) => {
                Outcome::done(format!("{shown} already had the line, from an earlier try"))
            }
            Err(AppendError::Open(error)) => {
                Outcome::failed(format!("{shown} can't be opened: {error}"))
            }
            // The next attempt looks for what this one may have written.
            Err(AppendError::Write(error)) => Outcome::in_doubt(format!("{shown}: {error}")),
        }
    }
}

/// Why a line was not appended.
enum AppendError {
    Open(io::Error),
    Write(io::Error),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Appends a line unless it is already there after `mark`; returns whether it was appended.
fn append(line: &Line, mark: Option<u64>) -> Result<bool, AppendError> {
    // A private file, since it holds what was received.
    let mut file = private_file::options()
        .create(true)
        .append(true)
        .read(true)
        .open(&line.path)
        .map_err(AppendError::Open)?;
    // Other rules write to it one at a time, and so do other programs that respect the lock.
    file.lock()?;
    let length = file.metadata()?.len();
    if let Some(mark) = mark.filter(|mark| *mark < length)
        && is_written(&mut file, mark, line.text.trim_end())?
    {
        return Ok(false);
    }
    mend(&mut file, &line.path, length)?;
    file.write_all(line.text.as_bytes())?;
    file.sync_data()?;
    Ok(true)
}

fn is_written(file: &mut fs::File, mark: u64, line: &str) -> io::Result<bool> {
    file.seek(SeekFrom::Start(mark))?;
    let mut reader = BufReader::new(file);
    let mut read = Vec::new();
    loop {
        read.clear();
        if reader.read_until(b'\n', &mut read)? == 0 {
            return Ok(false);
        }
        // A line without a line end was cut off.
        if read.strip_suffix(b"\n") == Some(line.as_bytes()) {
            return Ok(true);
        }
    }
}

/// Ends a line that a crash cut off, so that the next line does not become part of it.
fn mend(file: &mut fs::File, path: &Path, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        tracing::warn!(path = %path.display(), "the file's last line was cut off; added a line end");
        file.write_all(b"\n")?;
    }
    Ok(())
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "append to {}\n{}",
            self.path.display(),
            self.text.trim_end()
        )
    }
}
