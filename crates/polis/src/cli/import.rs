//! `polis import`: imports requests from a file into the running polis.

use std::path::PathBuf;

use super::{
    client::{Api, Client},
    given,
    screen::tell,
    trouble::{Found, Trouble},
};
use crate::api::import::Imported;

/// Import requests from a HAR file or from a `polis --json` log
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The file; - is stdin
    file: PathBuf,
    #[command(flatten)]
    api: Api,
}

impl Import {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let client = Client::new(&self.api)?;
        let file = given::file(&self.file)?;
        let done: Imported = client.import(file).await?;
        tell(&format!(
            "{} imported, {} already kept",
            done.imported, done.already_kept
        ));
        Ok(Found::Yes)
    }
}
