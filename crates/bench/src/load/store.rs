//! Where the engine being measured stores its events.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use webhooks_core::Webhooks;

use crate::process::family_cpu_seconds;

/// A store, as it is passed to the process of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Store {
    /// In this file.
    Sqlite(PathBuf),
    /// In the database with this address, of the server whose first process is `process`.
    Postgres { url: String, process: u32 },
}

impl Store {
    /// Opens the engine as its users do, except that it allows loopback, which is refused by
    /// default.
    pub(crate) async fn open(&self) -> anyhow::Result<Webhooks> {
        let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"])?;
        Ok(builder.open(&self.address()).await?)
    }

    pub(crate) fn address(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite:{}", file.display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// Processor seconds so far of all processes of its server; none if there is no server.
    pub(crate) fn server_cpu_seconds(&self) -> anyhow::Result<f64> {
        match self {
            Self::Sqlite(_) => Ok(0.0),
            Self::Postgres { process, .. } => family_cpu_seconds(*process),
        }
    }
}
