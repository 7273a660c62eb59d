//! Where the apps' logs go: standard error, so that standard output is left to the program.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::color::wants_color;

/// The variable that says what is logged.
pub(crate) const FILTER_VARIABLE: &str = "RUST_LOG";

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// `RUST_LOG` is not a filter.
    #[error("RUST_LOG is {value:?}, which is not a filter ({source}); try RUST_LOG=debug")]
    Filter {
        /// The variable's value.
        value: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Something else in this process already collects logs.
    #[error("logging is already set up in this process")]
    AlreadySet,
}

/// Logs to standard error what `RUST_LOG` asks for, or else `default_filter` (like `"info"`).
///
/// Coloured on a terminal, but not when `NO_COLOR` is set: see [`wants_color`].
///
/// # Errors
/// [`LogsError`]: stop the program; the error names the variable to correct.
pub fn logs(default_filter: &str) -> Result<(), LogsError> {
    let filter = filter(std::env::var(FILTER_VARIABLE).ok(), default_filter)?;
    let colours = wants_color(std::io::stderr().is_terminal());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .try_init()
        .map_err(|_| LogsError::AlreadySet)
}

/// What was `asked` for, or else `default_filter`.
pub(crate) fn filter(asked: Option<String>, default_filter: &str) -> Result<EnvFilter, LogsError> {
    let value = asked
        .filter(|asked| !asked.is_empty())
        .unwrap_or_else(|| default_filter.to_owned());
    EnvFilter::try_new(&value).map_err(|source| LogsError::Filter { value, source })
}
