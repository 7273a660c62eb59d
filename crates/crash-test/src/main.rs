//! See scripts/crash-test.
#![allow(clippy::print_stdout)] // The report is the program's output.

use anyhow::bail;
use clap::{Parser, Subcommand};

/// Kills the engine again and again, and counts what was lost.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// How often the child is killed.
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Draws the same lives again; drawn at random when it is not given.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The process that is killed.
    #[command(hide = true)]
    Child {
        #[arg(long)]
        file: String,
        #[arg(long)]
        receiver: String,
        #[arg(long)]
        life: u32,
        #[arg(long)]
        last: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Role::Child {
        file,
        receiver,
        life,
        last,
    }) = arguments.role
    {
        return crash_test::child::run(&file, &receiver, life, last).await;
    }
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed                      {seed}");
    let program = std::env::current_exe()?;
    let report = crash_test::lives::live(&program, arguments.kills, seed).await?;
    println!("{report}");
    if !report.is_clean() {
        bail!(
            "a promise was broken; scripts/crash-test --kills {} --seed {seed} draws the same lives",
            arguments.kills
        );
    }
    Ok(())
}
