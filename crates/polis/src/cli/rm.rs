//! `polis rm`: removes captured requests permanently.

use super::{
    client::{Api, Client},
    screen::tell,
    selection::Selection,
    trouble::{Found, Trouble},
};
use crate::api::requests::Removed;

/// Remove captured requests permanently
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 if something was removed, 1 if nothing was.

Examples:
  polis rm 17 18
  polis rm --path /hooks --status 5xx
  polis rm --all")]
pub(super) struct Rm {
    /// The requests' numbers
    ids: Vec<u64>,
    /// All kept requests
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    api: Api,
}

impl Rm {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let query = self.selection.pairs();
        if self.ids.is_empty() == query.is_empty() && !self.all {
            return Err(Trouble::Given(
                "say which requests to remove: numbers, conditions like --path, or --all".into(),
            ));
        }
        let client = Client::new(&self.api)?;
        let mut paths: Vec<_> = (self.ids.iter())
            .map(|id| format!("api/requests/{id}"))
            .collect();
        if paths.is_empty() {
            paths.push("api/requests".to_owned());
        }
        let mut removed = 0;
        for path in paths {
            let done: Removed = client.delete(&path, &query).await?;
            removed += done.removed;
        }
        tell(&format!("{removed} removed"));
        Ok(Found::of(removed > 0))
    }
}
