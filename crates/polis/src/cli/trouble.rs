//! How a verb ends: its exit code and, if it could not do its work, the reason.

use std::{io, path::PathBuf, process::ExitCode};

use crate::outbound::OutboundError;

/// The result of a verb that did its work, with the exit codes of `grep` and `diff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// 0: verified, equal, answered 2xx, complete.
    Yes,
    /// 1: not so.
    No,
}

impl Found {
    pub(super) fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    pub(super) fn exit_code(self) -> ExitCode {
        match self {
            Self::Yes => ExitCode::SUCCESS,
            Self::No => ExitCode::from(1),
        }
    }
}

/// The exit code if a verb could not do its work; clap uses the same for wrong flags.
pub(super) const TROUBLE: u8 = 2;

/// Why a verb could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(
        "no polis answers at {url}: {reason}; start one with `polis`, or say where it is with --api or POLIS_API"
    )]
    NotRunning { url: String, reason: String },
    #[error(
        "{url} answers, but not as polis does. If a polis captures there, like the one of scripts/demo on 9001, its page and API are on the next port: set POLIS_API={next} or give --api {next}. If it is another program, start polis with --port and give the port after that one"
    )]
    NotPolis { url: String, next: String },
    #[error("{0}")]
    Refused(String),
    #[error("the connection to polis broke: {0}")]
    Broken(String),
    #[error("{0}")]
    Config(#[from] serve::SettingsError),
    #[error("{0}")]
    Given(String),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{url}: {error}")]
    Unanswered { url: String, error: OutboundError },
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Trouble {
    /// Whether the reader of the output went away, as `head` does, which is no reason to complain.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
