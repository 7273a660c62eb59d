//! An empty database for one test.

use anyhow::Context;
use url::Url;
use uuid::Uuid;

use crate::{cluster::Cluster, settings::Settings, sql::query};

/// The variable with the address of a server that may be used for databases that are thrown away.
pub const SHARED: &str = "WEBHOOKS_TEST_POSTGRES";

/// An empty database; it is dropped with this value, whoever is connected to it.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    /// Of the server that it is in.
    server: String,
    /// The server that is there for it alone.
    own: Option<Cluster>,
}

impl Cluster {
    /// Makes an empty database.
    ///
    /// # Errors
    /// When the server refuses or does not run.
    pub fn database(&self) -> anyhow::Result<Database> {
        Database::create_in(&self.url())
    }
}

impl Database {
    /// Makes one in the server that [`SHARED`] names, or where it is not set in a server of its own.
    ///
    /// # Errors
    /// When that server refuses or can't be reached, or when PostgreSQL is missing; with the
    /// package to install.
    pub fn create() -> anyhow::Result<Self> {
        if let Ok(server) = std::env::var(SHARED) {
            return Self::create_in(&server).context(SHARED);
        }
        let cluster = Cluster::start(Settings::quick())?;
        let mut database = cluster.database()?;
        database.own = Some(cluster);
        Ok(database)
    }

    /// Makes one in the server with this address.
    fn create_in(server: &str) -> anyhow::Result<Self> {
        let name = format!("t_{}", Uuid::new_v4().simple());
        let mut url = Url::parse(server).with_context(|| format!("{server} is not a URL"))?;
        url.set_path(&name);
        query(
            server,
            &format!("create database {name} template template0"),
        )?;
        Ok(Self {
            name,
            url: url.into(),
            server: server.to_owned(),
            own: None,
        })
    }

    /// Where it is: `postgres://USER@HOST:PORT/NAME`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs one statement in it, and returns its rows: a line each, its columns separated by `|`.
    ///
    /// # Errors
    /// When the server refuses, or does not run; with what psql says.
    pub fn query(&self, statement: &str) -> anyhow::Result<String> {
        query(&self.url, statement)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.own.is_none() {
            // A server that is gone took it along.
            let drop = format!("drop database if exists {} with (force)", self.name);
            let _ = query(&self.server, &drop);
        }
    }
}
