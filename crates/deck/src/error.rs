//! What keeps a talk from being shown, with the file and line to look at.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// One thing that is wrong with a talk.
#[derive(Debug, thiserror::Error)]
pub enum DeckError {
    /// The talk itself can't be read.
    #[error("{} can't be read: {source}", file.display())]
    Unreadable {
        /// The talk.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of the talk asks for something that can't be done.
    #[error("{place}: {problem}")]
    Line {
        /// Where.
        place: Place,
        /// What.
        problem: Box<Problem>,
    },
}

impl DeckError {
    pub(crate) fn line(file: &Path, line: usize, problem: Problem) -> Self {
        Self::Line {
            place: Place {
                file: file.to_owned(),
                line,
            },
            problem: Box::new(problem),
        }
    }
}

/// What is wrong with a line of a talk.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The front matter has no end.
    #[error("the front matter that starts here has no closing line \"---\"")]
    OpenFrontMatter,
    /// A line of the front matter is not a setting.
    #[error(
        "\"{0}\" is not a setting: write name: value, with title, author, theme, start or frame.<name>"
    )]
    NotASetting(String),
    /// A code block has no end.
    #[error("the code block that starts here has no closing line \"{0}\"")]
    OpenFence(String),
    /// A directive is not spelled as one.
    #[error("\"{text}\" is not complete; write {form}")]
    Directive {
        /// What stands there.
        text: String,
        /// How it is written.
        form: &'static str,
    },
    /// A file that the talk shows can't be read.
    #[error("{} can't be read: {source}", file.display())]
    File {
        /// The file, relative to the talk's folder.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has no such marker.
    #[error("{} has no lines between \"ANCHOR: {marker}\" and \"ANCHOR_END: {marker}\"", file.display())]
    NoMarker {
        /// The file.
        file: PathBuf,
        /// The marker.
        marker: String,
    },
    /// A table has no such cell.
    #[error("{} has no table below \"{heading}\" with a row \"{row}\" and a column \"{column}\"", file.display())]
    NoCell {
        /// The file.
        file: PathBuf,
        /// The heading.
        heading: String,
        /// The first cell of the row.
        row: String,
        /// The column's title.
        column: String,
    },
    /// A picture is somewhere else.
    #[error(
        "the picture {0} is not a file beside the talk; a deck opens without a network, so keep a copy there"
    )]
    RemotePicture(String),
    /// A picture is of a kind that browsers don't show.
    #[error("{0} is not a picture that browsers show; use .png, .jpg, .gif, .svg, .webp or .avif")]
    PictureKind(String),
    /// Raw HTML loads something.
    #[error(
        "raw HTML can't load files (src=…): it would not open without a network; write ![text](file)"
    )]
    RawSource,
    /// A frame that nobody named.
    #[error("no frame is called \"{name}\"; the front matter names {known}")]
    UnknownFrame {
        /// What the block says.
        name: String,
        /// What there is.
        known: String,
    },
    /// A frame's address is not one.
    #[error("the frame address \"{0}\" is invalid: use http://host:port/path")]
    FrameAddress(String),
}

/// Everything that is wrong with a talk, one line each.
#[derive(Debug, thiserror::Error)]
pub struct Errors(pub Vec<DeckError>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl From<DeckError> for Errors {
    fn from(error: DeckError) -> Self {
        Self(vec![error])
    }
}
