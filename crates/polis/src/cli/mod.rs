//! The command line.

mod serve;

use clap::{Parser, Subcommand};

use crate::config::Flags;

/// The endpoint you debug webhooks with: it captures every request, shows it, and tells why.
#[derive(Debug, Parser)]
#[command(
    name = "polis",
    version,
    after_help = "Examples:
  polis                                   capture on 127.0.0.1:9000, page on 127.0.0.1:9001
  polis --respond 500x2,200               fail the first two attempts of each delivery
  POLIS_SECRETS=whsec_… polis --verify standard --enforce
  polis --forward http://localhost:3000   show what your app gets and answers

Settings: flag over variable over .env over polis.toml. Requests to /in/<name>/… have a scope of their own."
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    flags: Flags,
}

/// What polis does beside capturing.
#[derive(Debug, Subcommand)]
enum Verb {}

/// Runs the command line of this process; the exit code tells the truth.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    match cli.verb {
        None => serve::run(cli.flags),
        Some(verb) => match verb {},
    }
}
