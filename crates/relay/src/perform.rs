//! Handles an action's event that the engine delivers: performs the action once, or reports the
//! doubt.
//!
//! The response's status tells the engine what to do next: after 2xx nothing; after 429 with
//! `Retry-After` the action's other events wait too; after 503 only this one is tried again. An
//! action that its provider will never accept is canceled and answered with 422.

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use webhooks_core::{TransactionError, receive::Verified};

use crate::{
    action::{Attempt, Outcome},
    endpoints::rule_customer,
    ledger::{Done, Entry, Start},
    relay::Relay,
    route::{ActionEvent, stored},
    rule::{Rule, Step},
};

pub(crate) fn routes() -> Router<Relay> {
    Router::new().route("/actions/{rule}/{step}", post(perform))
}

/// Why an attempt ended without an outcome.
#[derive(Debug, thiserror::Error)]
enum PerformError {
    #[error("the store refused: {0}")]
    Store(#[from] TransactionError),
    #[error("the event can't be read: {0}")]
    Event(String),
}

async fn perform(
    State(relay): State<Relay>,
    Path((rule, step)): Path<(String, String)>,
    event: Verified<ActionEvent>,
) -> Response {
    let found = relay.config().rule(&rule).and_then(|rule| {
        let place = rule.steps.iter().position(|known| known.name == step)?;
        Some((rule, place))
    });
    let Some((rule, place)) = found else {
        return (StatusCode::NOT_FOUND, "the action is no longer in the file").into_response();
    };
    let this = This {
        relay: &relay,
        rule,
        place,
        entry: Entry {
            rule: rule.name.clone(),
            step,
            event: event.id,
        },
    };
    match this.outcome(event.data).await {
        Ok(outcome) => this.answer(outcome).await,
        Err(error) => {
            tracing::error!(%error, rule = rule.name, action = this.entry.step, "could not do an action now");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

/// One action to be performed for one event.
struct This<'a> {
    relay: &'a Relay,
    rule: &'a Rule,
    place: usize,
    entry: Entry,
}

impl This<'_> {
    fn step(&self) -> &Step {
        &self.rule.steps[self.place]
    }

    async fn outcome(&self, about: ActionEvent) -> Result<Outcome, PerformError> {
        let Self { relay, entry, .. } = self;
        let ledger = relay.ledger();
        let action = &self.step().action;
        let stored = stored(relay, &about.source, &about.key).await;
        let Some((received, received_at)) = stored.map_err(PerformError::Event)? else {
            return Ok(Outcome::Refused {
                reason: "the event is no longer stored".to_owned(),
            });
        };
        let now = relay.now();
        let before = match ledger.start(entry, action.mark(), now).await? {
            Start::Fresh => None,
            Start::Again(before) => Some(before),
            Start::Done(note) => {
                // Only the answer to the engine was lost.
                return Ok(Outcome::done(note));
            }
        };
        let attempt = Attempt {
            entry: entry.clone(),
            now,
            before,
        };
        let values = received.values(received_at, &about.added);
        let outcome = match action.prepare(&values, &attempt) {
            Ok(prepared) => action.perform(prepared, &attempt, relay.peers()).await,
            Err(error) => Outcome::Refused {
                reason: error.to_string(),
            },
        };
        self.note(outcome, about, attempt.before.is_some()).await
    }

    /// Records in the ledger how an attempt ended; `was_in_doubt`: an earlier attempt may have done
    /// it.
    async fn note(
        &self,
        outcome: Outcome,
        about: ActionEvent,
        was_in_doubt: bool,
    ) -> Result<Outcome, PerformError> {
        let ledger = self.relay.ledger();
        match outcome {
            Outcome::Done(mut done) => {
                let ActionEvent {
                    source,
                    key,
                    mut added,
                } = about;
                if let (Some(name), Some(value)) = (self.step().action.adds(), done.added.take()) {
                    added.insert(name.to_owned(), value);
                }
                let next = self.rule.steps.get(self.place + 1).map(|step| {
                    ActionEvent { source, key, added }.following(&self.rule.name, step)
                });
                let note = done.note.clone();
                ledger.finish(&self.entry, done, next).await?;
                Ok(Outcome::done(note))
            }
            Outcome::Failed { in_doubt: true, .. } => Ok(outcome),
            Outcome::Failed { .. } | Outcome::Refused { .. } => {
                if !was_in_doubt {
                    ledger.free(&self.entry).await?;
                }
                Ok(outcome)
            }
        }
    }

    async fn answer(&self, outcome: Outcome) -> Response {
        let Entry { rule, step, event } = &self.entry;
        match outcome {
            Outcome::Done(Done { note, .. }) => {
                tracing::info!(rule, action = step, event.id = event, "{rule}: {note}");
                (StatusCode::OK, note).into_response()
            }
            Outcome::Failed {
                reason,
                retry_after,
                in_doubt,
            } => {
                let doubt = if in_doubt {
                    " (it may have been done)"
                } else {
                    ""
                };
                tracing::warn!(
                    rule,
                    action = step,
                    event.id = event,
                    "{rule}: {reason}{doubt}"
                );
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let text = format!("{reason}{doubt}");
                match retry_after {
                    Some(wait) => {
                        let seconds = wait.as_secs().to_string();
                        (
                            StatusCode::TOO_MANY_REQUESTS,
                            [(header::RETRY_AFTER, seconds)],
                            text,
                        )
                            .into_response()
                    }
                    None => (status, text).into_response(),
                }
            }
            Outcome::Refused { reason } => {
                // The reason is shown only on the page: it can contain a value of the event's.
                tracing::error!(
                    rule,
                    action = step,
                    event.id = event,
                    "{rule}: {step} was refused and is not tried again; the page says why"
                );
                let customer = rule_customer(rule);
                if let Some(endpoint) = self.relay.endpoint(&customer, step) {
                    let endpoints = self.relay.webhooks().endpoints(&customer);
                    if let Err(error) = endpoints.cancel(endpoint, event).await {
                        tracing::warn!(%error, "could not cancel a refused action, so it is tried again");
                    }
                }
                (StatusCode::UNPROCESSABLE_ENTITY, reason).into_response()
            }
        }
    }
}
