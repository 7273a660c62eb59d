//! Which requests a verb applies to: the conditions of the API.

use super::client::Pairs;

/// Every condition that is given has to hold.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which requests")]
pub(super) struct Selection {
    /// Text in headers or body, ignoring case
    #[arg(short, value_name = "TEXT")]
    q: Option<String>,
    /// Scope: <NAME> of /in/<NAME>/, or default
    #[arg(long, value_name = "NAME")]
    scope: Option<String>,
    #[arg(long, help = "Method, like POST")]
    method: Option<String>,
    /// Part of the path; or, with *, all of it, where * stands for any text
    #[arg(long)]
    path: Option<String>,
    /// Answered status: 404, 5xx, or hung-up if the sender did not wait for it
    #[arg(long)]
    status: Option<String>,
    /// Part of the event type; or, with *, all of it, where * stands for any text
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,
    /// ok, failed, missing or unchecked
    #[arg(long, value_name = "STATE")]
    signature: Option<String>,
    /// Id of the delivery, such as a webhook-id
    #[arg(long, value_name = "ID")]
    delivery: Option<String>,
    /// Only after this request's id, or from this time on: 17 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "ID|TIME")]
    since: Option<String>,
}

impl Selection {
    /// As the API's query.
    pub(super) fn pairs(&self) -> Pairs {
        [
            ("q", &self.q),
            ("scope", &self.scope),
            ("method", &self.method),
            ("path", &self.path),
            ("status", &self.status),
            ("event", &self.event),
            ("signature", &self.signature),
            ("delivery", &self.delivery),
            ("since", &self.since),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect()
    }

    /// Whether a request can be matched only once it is answered.
    pub(super) fn needs_answer(&self) -> bool {
        self.status.is_some()
    }
}
