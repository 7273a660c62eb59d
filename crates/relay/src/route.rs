//! Handles an event that the engine delivers: finds the rules that match it.

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use webhooks_core::{Event, Transaction, TransactionError, receive::Verified};

use crate::{
    endpoints::{rule_customer, source_customer},
    ledger::Following,
    relay::Relay,
    rule::{Rule, Step},
    values::{Added, Received},
};

/// The contents of an action's event: which event it is about, and what was fetched before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ActionEvent {
    pub(crate) source: String,
    /// The event's id in webhooks-core, among those of its source.
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Added::is_empty")]
    pub(crate) added: Added,
}

impl ActionEvent {
    /// Makes an event for the engine. The same event and step always give the same id.
    pub(crate) fn following(self, rule: &str, step: &Step) -> Following {
        Following {
            customer: rule_customer(rule),
            event: Event::new(&step.name, &self).id(action_id(&self.key, &step.name)),
        }
    }
}

/// The id, in webhooks-core, of a step's event.
pub(crate) fn action_id(key: &str, step: &str) -> String {
    format!("{key}:{step}")
}

pub(crate) fn routes() -> Router<Relay> {
    Router::new().route("/route/{source}", post(route))
}

/// Answers with the names of the rules that match the event.
async fn route(
    State(relay): State<Relay>,
    Path(source): Path<String>,
    event: Verified<Received>,
) -> (StatusCode, String) {
    let stored = match stored(&relay, &source, &event.id).await {
        Ok(stored) => stored,
        Err(reason) => return (StatusCode::INTERNAL_SERVER_ERROR, reason),
    };
    let Some((received, received_at)) = stored else {
        return (StatusCode::OK, "the event is no longer stored".to_owned());
    };
    let mut names = Vec::new();
    let mut following = Vec::new();
    let mut notes = String::new();
    for rule in relay
        .config()
        .rules
        .iter()
        .filter(|rule| rule.source == source)
    {
        match wants(rule, &received, received_at) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(reason) => {
                tracing::warn!(
                    rule = rule.name,
                    event.id = event.id,
                    reason,
                    "a condition can't be evaluated"
                );
                notes.push_str(&format!(
                    "; the condition of {} can't be evaluated: {reason}",
                    rule.name
                ));
                continue;
            }
        }
        if let Some(step) = rule.steps.first() {
            names.push(rule.name.as_str());
            let about = ActionEvent {
                source: source.clone(),
                key: event.id.clone(),
                added: Added::new(),
            };
            following.push(about.following(&rule.name, step));
        }
    }
    let text = match names.as_slice() {
        [] => format!("no rule matches it{notes}"),
        names => format!("{}{notes}", names.join(", ")),
    };
    let send = |tx: &mut Transaction<'_>| {
        for Following { customer, event } in following {
            tx.send(&customer, event)?;
        }
        Ok::<_, TransactionError>(())
    };
    match relay.webhooks().transaction(send).await {
        Ok(()) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Whether a rule matches an event.
pub(crate) fn wants(
    rule: &Rule,
    received: &Received,
    received_at: Timestamp,
) -> Result<bool, String> {
    if !rule
        .events
        .iter()
        .any(|pattern| pattern.matches(&received.event))
    {
        return Ok(false);
    }
    let Some(when) = &rule.when else {
        return Ok(true);
    };
    let value = when.value(&received.values(received_at, &Added::new()));
    value
        .map(|value| value.is_true())
        .map_err(|error| error.to_string())
}

/// An event and the time at which it arrived; `None` when it is no longer stored.
pub(crate) async fn stored(
    relay: &Relay,
    source: &str,
    key: &str,
) -> Result<Option<(Received, Timestamp)>, String> {
    #[derive(Deserialize)]
    struct Body {
        data: Received,
    }
    let record = relay.webhooks().event(&source_customer(source), key).await;
    let Some(record) = record.map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let body: Body = serde_json::from_slice(&record.body).map_err(|error| error.to_string())?;
    let at = Timestamp::try_from(record.created_at).map_err(|error| error.to_string())?;
    Ok(Some((body.data, at)))
}
