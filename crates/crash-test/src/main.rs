//! See `scripts/crash-test`.
#![allow(clippy::print_stdout)] // The report is the program's output.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Parser, Subcommand, ValueEnum};
use crash_test::postgres::{
    fault::{Fault, Fence},
    holder,
    run::{Settings, run},
};
use scratch_postgres::Replication;
use tracing_subscriber::EnvFilter;

/// Kills the engine again and again, and counts what is lost.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Where events are stored.
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,
    /// How often the child is killed; with Postgres, the number of faults.
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Repeats the lives of an earlier run; drawn at random when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// With Postgres: the number of nodes.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// With Postgres: adds a synchronous replica, which takes over at times.
    #[arg(long)]
    replica: bool,
    /// With Postgres: adds an asynchronous replica, which takes over at times without the latest
    /// commits.
    #[arg(long, conflicts_with = "replica")]
    lagging_replica: bool,
    /// With Postgres: nodes continue after they were declared dead, so that promises must break.
    #[arg(long)]
    unfenced: bool,
    /// With Postgres: the kinds of faults; all by default.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Sqlite,
    Postgres,
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
    /// The process that suffers the faults.
    #[command(hide = true)]
    Node {
        #[arg(long)]
        database: String,
        #[arg(long)]
        life: u32,
    },
    /// The process that holds what others take over.
    #[command(hide = true)]
    Holder {
        #[arg(long)]
        database: String,
        #[arg(long)]
        receiver: String,
        #[arg(long)]
        name: String,
        #[arg(long)]
        endpoints: usize,
    },
}

/// The default of RUST_LOG for all processes.
const LOGS: &str = "warn";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(LOGS))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match arguments.role {
        Some(Role::Child {
            file,
            receiver,
            life,
            last,
        }) => crash_test::child::run(&file, &receiver, life, last).await,
        Some(Role::Node { database, life }) => {
            crash_test::postgres::node::run(database, life).await
        }
        Some(Role::Holder {
            database,
            receiver,
            name,
            endpoints,
        }) => {
            let settings = holder::Settings {
                database,
                receiver,
                name,
                endpoints,
            };
            holder::run(settings).await
        }
        None => judge(arguments).await,
    }
}

/// Runs, and prints the result.
async fn judge(arguments: Arguments) -> anyhow::Result<()> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let program = std::env::current_exe()?;
    let (report, is_clean) = match arguments.store {
        Store::Sqlite => {
            println!("seed                      {seed}");
            let report = crash_test::lives::live(&program, arguments.kills, seed).await?;
            (report.to_string(), report.is_clean())
        }
        Store::Postgres => {
            println!("seed                          {seed}");
            let report = run(settings(&arguments, program, seed)).await?;
            (report.to_string(), report.is_clean())
        }
    };
    println!("{report}");
    if arguments.unfenced {
        if is_clean {
            bail!(
                "every promise was kept although dead nodes continued: these faults prove nothing"
            );
        }
        println!("promises were broken, as they must be without the fence");
        return Ok(());
    }
    if !is_clean {
        bail!("a promise was broken; the same arguments with --seed {seed} repeat this run");
    }
    Ok(())
}

fn settings(arguments: &Arguments, program: PathBuf, seed: u64) -> Settings {
    let replication = match (arguments.replica, arguments.lagging_replica) {
        (true, _) => Some(Replication::Synchronous),
        (_, true) => Some(Replication::Asynchronous),
        _ => None,
    };
    let kinds = if arguments.faults.is_empty() {
        Fault::all(replication.is_some())
    } else {
        arguments.faults.clone()
    };
    Settings {
        program,
        nodes: arguments.nodes,
        faults: arguments.kills,
        kinds,
        replication,
        fence: if arguments.unfenced {
            Fence::Removed
        } else {
            Fence::Kept
        },
        seed,
    }
}
