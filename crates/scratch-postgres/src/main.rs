//! Runs a command with a PostgreSQL server of its own.

use std::process::{Command, ExitCode};

use anyhow::Context;
use scratch_postgres::{Cluster, SHARED, Settings};

const USAGE: &str = "\
scratch-postgres run COMMAND [ARGUMENT...]: starts an empty PostgreSQL server, runs the command with
the server's address in WEBHOOKS_TEST_POSTGRES, deletes the data, and exits with the command's exit
code. If the variable is already set, no server is started.";

/// Each test opens a few connections, and many tests run at once.
const CONNECTIONS_MAX: &str = "400";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let program = arguments.next().filter(|_| verb == "run").context(USAGE)?;
    let mut command = Command::new(&program);
    command.args(arguments);
    let cluster = if std::env::var_os(SHARED).is_none() {
        let settings = Settings::quick().set("max_connections", CONNECTIONS_MAX);
        let cluster = Cluster::start(settings)?;
        command.env(SHARED, cluster.url());
        Some(cluster)
    } else {
        None
    };
    let status = command
        .status()
        .with_context(|| format!("{} can't be started", program.display()))?;
    drop(cluster);
    // A command without a code was ended by a signal.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
