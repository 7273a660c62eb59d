//! A PostgreSQL server of your own.

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

/// The user that owns everything, without a password.
pub(crate) const USER: &str = "scratch";

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its sessions are ended, and everything is written to disk.
    Fast,
    /// As in a crash: the next start recovers what was committed.
    Immediate,
}

/// A server of your own on a free port of 127.0.0.1; dropping this value stops it.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) port: u16,
    pub(crate) settings: Settings,
    server: Mutex<Server>,
}

impl Cluster {
    /// Creates an empty cluster and waits until it answers, which takes about two seconds.
    ///
    /// # Errors
    /// When PostgreSQL is missing; the error names the package to install. Otherwise with what its
    /// programs report.
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
            // The server looks for them there.
            server.write_private("data/server.crt", certificate)?;
            server.write_private("data/server.key", key)?;
        }
        Self::on_free_port(server, settings)
    }

    /// Starts a server whose data already exists.
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

    /// The address of its first database: `postgres://USER@127.0.0.1:PORT/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// The port of 127.0.0.1 that it listens on; the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its first process, for signals; none while it is stopped.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.server.lock().process()
    }

    /// The path of its log, which is removed when this value is dropped.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.server.lock().log_path()
    }

    /// Everything that it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.lock().log()
    }

    /// Stops it and waits until it has stopped; does nothing if it is already stopped.
    ///
    /// # Errors
    /// When it does not stop in time; the error contains its log.
    pub fn stop(&self, how: Stop) -> anyhow::Result<()> {
        self.server.lock().stop(match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        })
    }

    /// Starts it after a stop, on the same port, and waits until it answers.
    ///
    /// # Errors
    /// When it is already running, or does not start; the error contains its log.
    pub fn start_again(&self) -> anyhow::Result<()> {
        if self.process().is_some() {
            bail!("the server is already running");
        }
        match self.launch()? {
            Started::Ready => Ok(()),
            Started::PortTaken => bail!("port {} was taken by another program", self.port),
        }
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// Those of [`Cluster::stop`] and [`Cluster::start_again`].
    pub fn restart(&self, how: Stop) -> anyhow::Result<()> {
        self.stop(how)?;
        self.start_again()
    }

    /// Runs one statement in its first database and returns its rows, one per line, with columns
    /// separated by `|`.
    ///
    /// # Errors
    /// When the server refuses, or is not running; the error contains psql's message.
    pub fn query(&self, statement: &str) -> anyhow::Result<String> {
        query(&self.url(), statement)
    }
}

/// Reads the server's progress from its own file, as `pg_ctl --wait` does.
fn progress(server: &Server) -> Progress {
    let file = server.folder().join("data").join("postmaster.pid");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut lines = text.lines();
    let process = lines.next().and_then(|line| line.trim().parse().ok());
    // The file of a server that crashed stays until the next one writes its own.
    let own = process.is_some() && process == server.process();
    match lines.nth(6).map(str::trim) {
        Some("ready") if own => Progress::Ready,
        _ => Progress::Starts,
    }
}
