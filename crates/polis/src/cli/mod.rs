//! The command line.

mod client;
mod diff;
mod example;
mod exchange;
mod export;
mod given;
mod import;
mod ls;
mod replay;
mod respond;
mod rm;
mod screen;
mod secrets;
mod selection;
mod send;
mod serve;
mod show;
mod sign;
mod stream;
mod trouble;
mod verify;
mod wait;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Flags;
use screen::tell;
use trouble::TROUBLE;

/// The endpoint you debug webhooks with: it captures every request, shows it, and says why it failed.
#[derive(Debug, Parser)]
#[command(
    name = "polis",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  polis                                   capture on 127.0.0.1:9000, page on 127.0.0.1:9001
  polis --respond 500,200                 fail the first attempt of each delivery
  POLIS_SECRETS=whsec_… polis --verify standard --enforce
  polis --forward http://localhost:3000   show what your app gets and answers
  polis ls --follow                       what arrives at the running polis
  polis send http://localhost:3000/hooks --event random_number:generate --data 863

Settings: flags override variables, which override .env, which overrides polis.toml; `polis config` prints an example of that file. Requests to /in/<name>/… have their own scope."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    flags: Flags,
}

/// What polis does besides capturing.
#[derive(Debug, Subcommand)]
enum Verb {
    Ls(ls::Ls),
    Show(show::Show),
    Diff(diff::Diff),
    Export(export::Export),
    Import(import::Import),
    Rm(rm::Rm),
    Replay(replay::ReplayAgain),
    Respond(respond::Respond),
    Send(send::Send),
    Sign(sign::Sign),
    Verify(verify::Verify),
    #[command(name = "config")]
    Example(example::Example),
    Wait(wait::Wait),
}

/// Runs the command line of this process, and returns its exit code.
pub fn main() -> ExitCode {
    if ::serve::print_licences_if_asked() {
        return ExitCode::SUCCESS;
    }
    let cli = Cli::parse();
    match cli.verb {
        None => serve::run(cli.flags),
        Some(verb) => run(verb),
    }
}

fn run(verb: Verb) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&error.to_string());
            return ExitCode::from(TROUBLE);
        }
    };
    let done = runtime.block_on(async {
        match verb {
            Verb::Ls(ls) => ls.run().await,
            Verb::Show(show) => show.run().await,
            Verb::Diff(diff) => diff.run().await,
            Verb::Export(export) => export.run().await,
            Verb::Import(import) => import.run().await,
            Verb::Rm(rm) => rm.run().await,
            Verb::Replay(replay) => replay.run().await,
            Verb::Respond(respond) => respond.run().await,
            Verb::Send(send) => send.run().await,
            Verb::Sign(sign) => sign.run(),
            Verb::Verify(verify) => verify.run(),
            Verb::Example(example) => example.run(),
            Verb::Wait(wait) => wait.run().await,
        }
    });
    match done {
        Ok(found) => found.exit_code(),
        Err(trouble) if trouble.is_closed_pipe() => ExitCode::SUCCESS,
        Err(trouble) => {
            tell(&trouble.to_string());
            ExitCode::from(TROUBLE)
        }
    }
}
