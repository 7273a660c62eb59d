//! Where the server's programs are, and the user that they run as.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The variable with the folder of `initdb` and `postgres`, if they are neither where Debian puts
/// them nor on the path.
const BIN_VARIABLE: &str = "WEBHOOKS_POSTGRES_BIN";
/// Where Debian has a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Where Debian puts PgBouncer; not on everybody's path.
const SYSTEM_BIN: &str = "/usr/sbin";
/// The user that runs the servers when we are root, since they refuse to run as root: nobody.
pub(crate) const NOBODY: u32 = 65_534;

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A PostgreSQL program, of the version that servers are started from.
///
/// # Errors
/// When PostgreSQL is missing; the error names the package to install.
pub fn postgres(name: &str) -> anyhow::Result<PathBuf> {
    if let Some(bin) = std::env::var_os(BIN_VARIABLE) {
        let program = Path::new(&bin).join(name);
        if !program.is_file() {
            bail!("{BIN_VARIABLE}: there is no {}", program.display());
        }
        return Ok(program);
    }
    debian()
        .map(|bin| bin.join(name))
        .or_else(|| on_path(name))
        .context("PostgreSQL is missing; install it with: apt-get install postgresql")
}

pub(crate) fn pgbouncer() -> anyhow::Result<PathBuf> {
    let system = Path::new(SYSTEM_BIN).join("pgbouncer");
    on_path("pgbouncer")
        .or_else(|| system.is_file().then_some(system))
        .context("PgBouncer is missing; install it with: apt-get install pgbouncer")
}

/// Debian's folder of the newest version that includes a server.
fn debian() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let numbered = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        Some((number, version.path().join("bin")))
    });
    let complete = numbered.filter(|(_, bin)| bin.join("initdb").is_file());
    complete.max().map(|(_, bin)| bin)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found.into_iter().find(|program| program.is_file())
}

/// Runs a program in its own folder, in its own process group: whatever ends the test's group, as
/// Ctrl-C does, leaves it to us to end the server.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        let user = format!("--reuid={NOBODY}");
        let group = format!("--regid={NOBODY}");
        command.args([&user, &group, "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder).process_group(0);
    command
}
