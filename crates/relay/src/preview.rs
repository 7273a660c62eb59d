//! What a rule would do with an event, without doing it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    action::Attempt,
    config::Config,
    ledger::Entry,
    reading::suggestion,
    receive,
    route::{action_id, wants},
    values::{Added, Received},
};

/// An event to try a rule with.
#[derive(Debug)]
pub struct Trial {
    /// The body as the source would send it.
    pub body: Value,
    /// The event's type, if the body does not contain it.
    pub event_type: Option<String>,
    /// What fetches would return, by name.
    pub fetched: Vec<(String, Value)>,
    /// The time at which it is taken to arrive.
    pub now: Timestamp,
}

/// A rule cannot be tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// There is no such rule.
    #[error("there is no rule \"{name}\"{hint}")]
    NoRule {
        /// The name that was given.
        name: String,
        /// A suggestion of the nearest name.
        hint: String,
    },
    /// An action cannot be prepared from the event; the actions before it are shown.
    #[error("{before}{step}: {reason}")]
    NotMade {
        /// What the actions before it would do.
        before: String,
        /// The action.
        step: String,
        /// Why not.
        reason: String,
    },
}

/// Describes what the rule `name` would do with an event: every request, mail and row, as text.
///
/// # Errors
/// [`TrialError`] says which action cannot be prepared from the event, and why.
pub fn preview(config: &Config, name: &str, trial: Trial) -> Result<String, TrialError> {
    let rule = config.rule(name).ok_or_else(|| TrialError::NoRule {
        name: name.to_owned(),
        hint: suggestion(name, config.rules.iter().map(|rule| rule.name.as_str())),
    })?;
    let provider = config.source(&rule.source).map(|source| source.provider);
    let (said, data) = receive::opened_body(provider, trial.body.clone());
    let exact = || {
        let mut patterns = rule.events.iter().map(|pattern| &pattern.0);
        patterns.find(|pattern| !pattern.contains('*')).cloned()
    };
    let id = trial
        .body
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or("an-event's-id");
    let received = Received {
        id: id.to_owned(),
        event: trial
            .event_type
            .or(said)
            .or_else(exact)
            .unwrap_or("unknown".to_owned()),
        source: rule.source.clone(),
        data,
    };
    let mut text = String::new();
    let type_of_it = &received.event;
    match wants(rule, &received, trial.now) {
        Ok(true) => {}
        Ok(false) => {
            return Ok(format!(
                "{name} does not match this event of type {type_of_it}\n"
            ));
        }
        Err(reason) => {
            return Ok(format!(
                "{name} does not match this event: its condition can't be evaluated: {reason}\n"
            ));
        }
    }
    let _ = writeln!(text, "{name} matches this event of type {type_of_it}");
    let added: Added = trial.fetched.into_iter().collect();
    let mut missing = Vec::new();
    let key = receive::key(&rule.source, &received.id);
    for step in &rule.steps {
        let attempt = Attempt {
            entry: Entry {
                rule: rule.name.clone(),
                step: step.name.clone(),
                event: action_id(&key, &step.name),
            },
            now: trial.now,
            before: None,
        };
        let prepared = step
            .action
            .prepare(&received.values(trial.now, &added), &attempt);
        match prepared {
            Ok(prepared) => {
                let _ = writeln!(text, "\n{}:\n{prepared}", step.name);
            }
            Err(error) => {
                let hint: String = missing
                    .iter()
                    .map(|name| format!("; give --with {name}=FILE for what is fetched"))
                    .collect();
                return Err(TrialError::NotMade {
                    before: text,
                    step: format!("\n{}", step.name),
                    reason: format!("{error}{hint}"),
                });
            }
        }
        if let Some(name) = step.action.adds().filter(|name| !added.contains_key(*name)) {
            missing.push(name);
        }
    }
    Ok(text)
}
