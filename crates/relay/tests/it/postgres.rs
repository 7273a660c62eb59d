//! A PostgreSQL server of the test's own, with data that is thrown away.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use end_to_end::{PATIENCE, free_ports, until};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

pub(crate) struct Postgres {
    child: Child,
    pub(crate) url: String,
    _directory: TempDir,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        let bin = bin();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if is_root() {
            // The server refuses to run as root.
            for path in [directory.path(), &data] {
                std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
            }
        }
        let made = run(&bin.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args([
                "-U",
                "relay",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
            ])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let [port] = free_ports().unwrap();
        let port = port.to_string();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = run(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port, "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off"])
            .stderr(log)
            .spawn()
            .unwrap();
        let postgres = Self {
            child,
            url: format!("postgres://relay@127.0.0.1:{port}/postgres"),
            _directory: directory,
        };
        postgres.connection().await;
        postgres
    }

    /// Connects once the server is up.
    pub(crate) async fn connection(&self) -> PgConnection {
        let connect = || async { Ok(PgConnection::connect(&self.url).await?) };
        until("PostgreSQL", PATIENCE, connect).await.unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its processes end with it.
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

fn run(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program);
    command
}

/// Where Debian has the newest server's programs.
fn bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let bins = versions.map(|version| version.path().join("bin"));
    let newest = bins.filter(|bin| bin.join("initdb").exists()).max();
    newest.expect("PostgreSQL is needed for this test; install it with: apt-get install postgresql")
}
