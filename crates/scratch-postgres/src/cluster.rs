//! A PostgreSQL server of one's own.

use std::path::PathBuf;

use anyhow::bail;
use parking_lot::Mutex;
use rustix::process::Signal;

use crate::{
    port::on_free_port,
    programs,
    server::{Progress, Server, Started},
    settings::{Identity, Settings},
    sql::query,
};

/// Who owns everything, without a password.
pub(crate) const USER: &str = "scratch";

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its sessions are ended, and all that it has is written.
    Fast,
    /// As by a crash: the next start recovers what was committed.
    Immediate,
}

/// A server of one's own on a free port of 127.0.0.1; it ends with this value.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) port: u16,
    pub(crate) settings: Settings,
    server: Mutex<Server>,
}

impl Cluster {
    /// Makes an empty cluster and waits until it answers, which takes about two seconds.
    ///
    /// # Errors
    /// When PostgreSQL is missing, with the package to install; else with what its programs say.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        let server = Server::new()?;
        let user = format!("--username={USER}");
        server.run(
            &programs::postgres("initdb")?,
            &[
                "--pgdata=data",
                &user,
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
            ],
        )?;
        if let Some(identity) = &settings.identity {
            let Identity { certificate, key } = &**identity;
            // Where the server looks for them.
            server.write_private("data/server.crt", certificate)?;
            server.write_private("data/server.key", key)?;
        }
        Self::on_free_port(server, settings)
    }

    /// Starts a server whose data is there.
    pub(crate) fn on_free_port(server: Server, settings: Settings) -> anyhow::Result<Self> {
        let mut cluster = Self {
            port: 0,
            settings,
            server: Mutex::new(server),
        };
        on_free_port(|port| {
            cluster.port = port;
            cluster.launch()
        })?;
        Ok(cluster)
    }

    fn launch(&self) -> anyhow::Result<Started> {
        let port = self.port.to_string();
        let own = [
            "-D",
            "data",
            "-p",
            &port,
            "-c",
            "listen_addresses=127.0.0.1",
        ];
        let own = own.into_iter().chain(["-c", "unix_socket_directories="]);
        let arguments: Vec<String> = own
            .map(str::to_owned)
            .chain(self.settings.arguments())
            .collect();
        let program = programs::postgres("postgres")?;
        self.server.lock().start(&program, &arguments, progress)
    }

    /// Where its first database is: `postgres://USER@127.0.0.1:PORT/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// The port of 127.0.0.1 that it listens on; the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of its first process, for signals; none while it is stopped.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.server.lock().process()
    }

    /// Where it writes what happens to it; gone with this value.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.server.lock().log_path()
    }

    /// All that it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.lock().log()
    }

    /// Stops it and waits until it has; one that is stopped stays so.
    ///
    /// # Errors
    /// When it does not stop in time, with its log.
    pub fn stop(&self, how: Stop) -> anyhow::Result<()> {
        self.server.lock().stop(match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        })
    }

    /// Starts it after a stop, on the same port, and waits until it answers.
    ///
    /// # Errors
    /// When it runs, or does not start; with its log.
    pub fn start_again(&self) -> anyhow::Result<()> {
        if self.process().is_some() {
            bail!("the server runs");
        }
        match self.launch()? {
            Started::Ready => Ok(()),
            Started::PortTaken => bail!("port {} was taken by another program", self.port),
        }
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// As [`Cluster::stop`] and [`Cluster::start_again`].
    pub fn restart(&self, how: Stop) -> anyhow::Result<()> {
        self.stop(how)?;
        self.start_again()
    }

    /// Runs one statement in its first database, and returns its rows: a line each, its columns
    /// separated by `|`.
    ///
    /// # Errors
    /// When it refuses, or does not run; with what psql says.
    pub fn query(&self, statement: &str) -> anyhow::Result<String> {
        query(&self.url(), statement)
    }
}

/// The server says in a file of its own how far it is, which `pg_ctl --wait` reads too.
fn progress(server: &Server) -> Progress {
    let file = server.folder().join("data").join("postmaster.pid");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut lines = text.lines();
    let process = lines.next().and_then(|line| line.trim().parse().ok());
    // The file of a server that crashed is there until the next one writes its own.
    let own = process.is_some() && process == server.process();
    match lines.nth(6).map(str::trim) {
        Some("ready") if own => Progress::Ready,
        _ => Progress::Starts,
    }
}
