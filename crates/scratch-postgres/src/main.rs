//! Runs a command beside a PostgreSQL server that is there for it alone.

use std::process::{Command, ExitCode};

use anyhow::Context;
use scratch_postgres::{Cluster, SHARED, Settings};

const USAGE: &str = "\
scratch-postgres run COMMAND [ARGUMENT...]: starts a PostgreSQL server with empty data, runs the
command with the server's address in WEBHOOKS_TEST_POSTGRES, throws the data away, and ends as the
command did. Where the variable is set already, no server is started.";

/// Each test has a few connections, and many run at once.
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
    // Without a code it was ended by a signal.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
