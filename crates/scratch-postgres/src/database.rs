//! An empty database for one test.

use anyhow::Context;
use url::Url;
use uuid::Uuid;

use crate::{cluster::Cluster, settings::Settings, sql::query};

/// The variable with the address of a server in which databases may be created and dropped.
pub const SHARED: &str = "WEBHOOKS_TEST_POSTGRES";

/// An empty database; dropping this value drops it, even while others are connected to it.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    /// The address of the server that it is in.
    server: String,
    /// The server, if it is there for this database only.
    own: Option<Cluster>,
}

impl Cluster {
    /// Creates an empty database.
    ///
    /// # Errors
    /// When the server refuses, or is not running.
    pub fn database(&self) -> anyhow::Result<Database> {
        Database::create_in(&self.url())
    }
}

impl Database {
    /// Creates a database in the server that [`SHARED`] names or, if that is not set, in a server
    /// of its own.
    ///
    /// # Errors
    /// When that server refuses or cannot be reached, or when PostgreSQL is missing; then the error
    /// names the package to install.
    pub fn create() -> anyhow::Result<Self> {
        if let Ok(server) = std::env::var(SHARED) {
            return Self::create_in(&server).context(SHARED);
        }
        let cluster = Cluster::start(Settings::quick())?;
        let mut database = cluster.database()?;
        database.own = Some(cluster);
        Ok(database)
    }

    /// Creates a database in the server with this address.
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

    /// Its address: `postgres://USER@HOST:PORT/NAME`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs one statement in it and returns its rows, one per line, with columns separated by `|`.
    ///
    /// # Errors
    /// When the server refuses, or is not running; the error contains psql's message.
    pub fn query(&self, statement: &str) -> anyhow::Result<String> {
        query(&self.url, statement)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.own.is_none() {
            // If the server is gone, so is the database.
            let drop = format!("drop database if exists {} with (force)", self.name);
            let _ = query(&self.server, &drop);
        }
    }
}
