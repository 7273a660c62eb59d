//! `polis respond`: changes what the running polis answers from now on.

use super::{
    client::{Api, Client},
    screen::tell,
    trouble::{Found, Trouble},
};
use crate::{
    answer::{NumberOrText, RuleSpec, RulesSpec},
    scope::DEFAULT,
};

/// Change what the running polis answers; it replaces the rules of the scope
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  polis respond 500x2,200      fail the first two attempts of each delivery
  polis respond 200            accept everything again")]
pub(super) struct Respond {
    /// Statuses in turn for each delivery, the last one repeated
    statuses: String,
    /// Scope: <NAME> of /in/<NAME>/
    #[arg(long, value_name = "NAME", default_value = DEFAULT)]
    scope: String,
    #[command(flatten)]
    api: Api,
}

impl Respond {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let rules = vec![RuleSpec {
            respond: Some(NumberOrText::Text(self.statuses.clone())),
            ..RuleSpec::default()
        }];
        let query = vec![("scope", self.scope.clone())];
        let client = Client::new(&self.api)?;
        let _: RulesSpec = client
            .put("api/rules", &query, &RulesSpec { rules })
            .await?;
        tell(&format!("scope {} answers {}", self.scope, self.statuses));
        Ok(Found::Yes)
    }
}
