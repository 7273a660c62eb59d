//! `polis config`: the example of the settings file.

use super::{
    screen::Screen,
    trouble::{Found, Trouble},
};
use crate::config::EXAMPLE;

/// Print an example of polis.toml, with every part explained
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  polis config > polis.toml    and keep the lines you want")]
pub(super) struct Example {}

impl Example {
    pub(super) fn run(self) -> Result<Found, Trouble> {
        Screen::new().put(EXAMPLE.as_bytes())?;
        Ok(Found::Yes)
    }
}
