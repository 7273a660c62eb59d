//! `polis wait`: makes a script wait for requests.

use std::time::Duration;

use super::{
    client::{Api, Client},
    screen::{Screen, tell},
    selection::Selection,
    trouble::{Found, Trouble},
};
use crate::api::wait::Waited;

/// polis answers in time; getting the answer may take a little longer.
const GRACE: Duration = Duration::from_secs(630);

/// Wait for requests to arrive, and print them; for CI
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Requests that are already there count, unless --new or --since excludes them.

Exit code: 0 if they came, 1 if they did not, 2 if polis could not be reached.

Examples:
  polis wait --count 3 --timeout 10s --event 'random_number:*'
  polis wait --status 200 --signature ok --json | jq -r .id"
)]
pub(super) struct Wait {
    /// How many requests
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    count: usize,
    /// How long to wait: 500ms, 10s or 2m, at most 10m
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: String,
    /// Only requests that arrive from now on
    #[arg(long, conflicts_with = "since")]
    new: bool,
    #[command(flatten)]
    selection: Selection,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: Api,
}

impl Wait {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let client = Client::new(&self.api)?;
        let mut query = self.selection.pairs();
        if self.new {
            query.push(("since", "now".to_owned()));
        }
        query.push(("count", self.count.to_string()));
        query.push(("timeout", self.timeout.clone()));
        let waited: Waited = client.json_within("api/wait", &query, GRACE).await?;
        let mut screen = Screen::new();
        for captured in &waited.requests {
            if self.json {
                screen.json(captured)?;
            } else {
                screen.row(captured)?;
            }
        }
        if !waited.complete {
            tell(&format!(
                "{} of {} requests came within {}",
                waited.requests.len(),
                waited.count,
                self.timeout
            ));
        }
        Ok(Found::of(waited.complete))
    }
}
