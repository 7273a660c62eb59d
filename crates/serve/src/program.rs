//! How every program starts, and how it ends: with exit code 0, with 2 when a setting is wrong, or
//! with 1 when it stopped for any other reason.

use std::{
    fmt::Display,
    future::Future,
    io::{self, Write},
    process::ExitCode,
};

use tracing_subscriber::EnvFilter;

use crate::{
    licences::print_licences_if_asked,
    logs::{FILTER_VARIABLE, filter},
    narration::narrate_by,
    variables::Variables,
};

/// The exit code for wrong settings; clap uses the same for a wrong flag.
pub const WRONG_SETTINGS: u8 = 2;

/// What is logged unless `RUST_LOG` says otherwise.
const LOG_DEFAULT: &str = "info";

/// Reads the settings of the program `name`, and runs it until it ends. Handles `--licences` before
/// reading anything.
///
/// Reports everything that is wrong at once on standard error, where the log goes, too.
pub fn run<S, E: Display, Running: Future<Output = Result<(), E>>>(
    name: &str,
    settings: impl FnOnce(&mut Variables<'static>) -> Option<S>,
    run: impl FnOnce(S) -> Running,
) -> ExitCode {
    if print_licences_if_asked() {
        return ExitCode::SUCCESS;
    }
    let read = Variables::of_process().read(|variables| {
        let filter = log_filter(variables);
        let settings = settings(variables);
        Some((filter?, settings?))
    });
    let (filter, settings) = match read {
        Ok(read) => read,
        Err(wrong) => {
            complain(&format!("{name} can't start: {wrong}"));
            return ExitCode::from(WRONG_SETTINGS);
        }
    };
    match start(filter, run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{name} stopped: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn log_filter(variables: &mut Variables<'_>) -> Option<EnvFilter> {
    filter(variables.get(FILTER_VARIABLE), LOG_DEFAULT)
        .map_err(|error| variables.is_wrong(error.to_string()))
        .ok()
}

fn start<E: Display>(
    filter: EnvFilter,
    running: impl Future<Output = Result<(), E>>,
) -> Result<(), String> {
    narrate_by(filter).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let done = runtime.block_on(running);
    done.map_err(|error| format!("{error:#}"))
}

/// Prints to standard error what went wrong.
pub fn complain(text: &str) {
    // When standard error is closed, there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{text}");
}
