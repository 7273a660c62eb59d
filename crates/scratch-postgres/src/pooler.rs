//! PgBouncer in front of a server.

use anyhow::{Context, bail};
use rustix::process::Signal;
use url::Url;

use crate::{
    port::on_free_port,
    programs,
    server::{Progress, Server, Started},
};

/// PgBouncer in transaction mode, in front of all databases of one server; dropping this value
/// stops it.
#[derive(Debug)]
pub struct Pooler {
    url: String,
    port: u16,
    server: Server,
}

impl Pooler {
    /// Starts PgBouncer in front of the server with this address, and waits until it answers.
    ///
    /// # Errors
    /// When PgBouncer is missing; the error names the package to install. Otherwise with what it
    /// reports.
    pub fn start(url: &str) -> anyhow::Result<Self> {
        let mut url = Url::parse(url).with_context(|| format!("{url} is not a URL"))?;
        let mut server = Server::new()?;
        let users = format!("\"{}\" \"\"\n", url.username());
        std::fs::write(server.folder().join("users"), users)?;
        let host = url.host_str().context("the address names no server")?;
        let database = format!("* = host={host} port={}", url.port().unwrap_or(5432));
        let mut found = 0;
        on_free_port(|port| {
            found = port;
            // A URL with a host can have a port.
            let _ = url.set_port(Some(port));
            let settings = settings(&database, url.username(), port);
            std::fs::write(server.folder().join("pgbouncer.ini"), settings)?;
            launch(&mut server, port)
        })?;
        Ok(Self {
            url: url.into(),
            port: found,
            server,
        })
    }

    /// The address that it was started with, but going through it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops it at once, with all its connections, and starts it again on the same port.
    ///
    /// # Errors
    /// When it does not stop or start in time; the error contains its log.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.server.stop(Signal::TERM)?;
        match launch(&mut self.server, self.port)? {
            Started::Ready => Ok(()),
            Started::PortTaken => bail!("port {} was taken by another program", self.port),
        }
    }

    /// Everything that it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}

fn settings(database: &str, user: &str, port: u16) -> String {
    format!(
        "[databases]\n\
         {database}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = trust\n\
         auth_file = users\n\
         admin_users = {user}\n\
         pool_mode = transaction\n\
         max_client_conn = 400\n\
         default_pool_size = 20\n\
         ignore_startup_parameters = extra_float_digits\n"
    )
}

fn launch(server: &mut Server, port: u16) -> anyhow::Result<Started> {
    // PgBouncer logs this after it listens but before it accepts connections, which wait until
    // then.
    let listens = format!("listening on 127.0.0.1:{port}");
    let said = |server: &Server| server.log().matches(&listens).count();
    let said_before = said(server);
    let arguments = ["pgbouncer.ini".to_owned()];
    server.start(&programs::pgbouncer()?, &arguments, |server| {
        if said(server) > said_before {
            Progress::Ready
        } else {
            Progress::Starts
        }
    })
}
