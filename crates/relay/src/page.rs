//! The page: what arrived, what was done with it, and the button to repeat it.

use std::{sync::LazyLock, time::SystemTime};

use askama::Template;
use axum::{
    Form, Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use serde::Deserialize;
use webhooks_core::{
    Delivery, DeliveryFilter, DeliveryState, EndReason, EndpointError, Outcome, StoreError,
};

use crate::{
    endpoints::{EVERY_TYPE, rule_customer, source_customer},
    ledger::Entry,
    relay::Relay,
    route::{action_id, stored},
};

/// As many as fit on a few screens.
const EVENTS_SHOWN: usize = 30;
/// Enough of an event's data to recognise it.
const DATA_CHARS_SHOWN: usize = 600;

/// The page's styles and scripts.
static ASSETS: LazyLock<serve::Assets> =
    LazyLock::new(|| serve::assets!("../../../templates/relay/": "relay.css", "icon.svg"));

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    pages: Vec<serve::PageLink>,
    now: String,
    sources: Vec<SourceView>,
    events: Vec<EventView>,
}

struct SourceView {
    url: String,
    provider: &'static str,
}

struct EventView {
    key: String,
    id: String,
    event: String,
    source: String,
    at: String,
    at_words: String,
    data: String,
    note: String,
    tone: &'static str,
    actions: Vec<ActionView>,
}

struct ActionView {
    rule: String,
    step: String,
    state: String,
    tone: &'static str,
    answer: Option<String>,
    /// The button's label.
    again: Option<&'static str>,
}

/// The page's data could not be loaded.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("{0}")]
    Event(String),
    #[error(transparent)]
    Template(#[from] askama::Error),
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "could not load the page's data");
        let text = "The relay's store failed; its log says why. Try again later.\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

pub(crate) fn routes(relay: &Relay) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/again", post(again))
        .with_state(relay.clone())
        .merge(ASSETS.routes())
}

async fn page(State(relay): State<Relay>) -> Result<Response, PageError> {
    let config = relay.config();
    let mut arrivals = Vec::new();
    for source in &config.sources {
        let customer = source_customer(&source.name);
        let Some(endpoint) = relay.endpoint(&customer, EVERY_TYPE) else {
            continue;
        };
        let endpoints = relay.webhooks().endpoints(&customer);
        let page = endpoints
            .deliveries(endpoint, DeliveryFilter::All, None, EVENTS_SHOWN)
            .await?;
        arrivals.extend(
            page.deliveries
                .into_iter()
                .map(|delivery| (source.name.as_str(), delivery)),
        );
    }
    arrivals.sort_by_key(|(_, delivery)| std::cmp::Reverse(delivery.created_at));
    arrivals.truncate(EVENTS_SHOWN);
    let mut events = Vec::new();
    for (source, delivery) in arrivals {
        events.extend(event_view(&relay, source, &delivery).await?);
    }
    let page = Page {
        pages: relay.pages().seen_from("relay"),
        now: relay.now().strftime("%H:%M:%S UTC").to_string(),
        sources: config
            .sources
            .iter()
            .map(|source| SourceView {
                url: format!("http://{}{}", config.listen, source.path),
                provider: source.provider.name(),
            })
            .collect(),
        events,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Html(page.render()?)).into_response())
}

/// `None` when the event was deleted between the two queries.
async fn event_view(
    relay: &Relay,
    source: &str,
    arrival: &Delivery,
) -> Result<Option<EventView>, PageError> {
    let key = &arrival.event_id;
    let stored = stored(relay, source, key).await.map_err(PageError::Event)?;
    let Some((received, at)) = stored else {
        return Ok(None);
    };
    let mut actions = Vec::new();
    for rule in relay
        .config()
        .rules
        .iter()
        .filter(|rule| rule.source == source)
    {
        for (place, step) in rule.steps.iter().enumerate() {
            let customer = rule_customer(&rule.name);
            let deliveries = relay
                .webhooks()
                .deliveries(&customer, &action_id(key, &step.name))
                .await?;
            let Some(delivery) = deliveries.first() else {
                if place > 0 {
                    actions.push(ActionView {
                        rule: rule.name.clone(),
                        step: step.name.clone(),
                        state: "comes after the one before".to_owned(),
                        tone: "soft",
                        answer: None,
                        again: None,
                    });
                    continue;
                }
                // The rule did not match.
                break;
            };
            actions.push(action_view(&rule.name, &step.name, delivery));
        }
    }
    let (state, tone, _) = state_words(&arrival.state);
    let (note, tone) = match arrival.state {
        DeliveryState::Delivered { .. } => (answer(arrival).unwrap_or_default(), "soft"),
        _ => (format!("its rules are being looked for: {state}"), tone),
    };
    Ok(Some(EventView {
        key: key.clone(),
        data: received
            .data
            .to_string()
            .chars()
            .take(DATA_CHARS_SHOWN)
            .collect(),
        id: received.id,
        event: received.event,
        source: source.to_owned(),
        at: at.to_string(),
        at_words: at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string(),
        note,
        tone,
        actions,
    }))
}

fn action_view(rule: &str, step: &str, delivery: &Delivery) -> ActionView {
    let (mut state, tone, again) = state_words(&delivery.state);
    if delivery.attempts.len() > 1 {
        state.push_str(&format!(" ({} tries)", delivery.attempts.len()));
    }
    ActionView {
        rule: rule.to_owned(),
        step: step.to_owned(),
        state,
        tone,
        answer: answer(delivery),
        again,
    }
}

/// The answer to the last attempt.
fn answer(delivery: &Delivery) -> Option<String> {
    let attempt = delivery.attempts.last()?;
    let text = String::from_utf8_lossy(&attempt.body_head).into_owned();
    match &attempt.outcome {
        Outcome::Failure(failure) if text.is_empty() => Some(failure.to_string()),
        _ => Some(text),
    }
}

/// The state in words, with a tone, and the label of the button that acts on it.
fn state_words(state: &DeliveryState) -> (String, &'static str, Option<&'static str>) {
    match state {
        DeliveryState::InFlight => ("being done".to_owned(), "soft", None),
        DeliveryState::Waiting { due_at } => (
            format!("tried again at {}", clock_words(*due_at)),
            "warn",
            Some("Try now"),
        ),
        DeliveryState::Held { reason, next_try } => {
            let next = next_try.map(|at| format!("; next try at {}", clock_words(at)));
            let text = format!("waits: {reason}{}", next.unwrap_or_default());
            (text, "warn", None)
        }
        DeliveryState::Delivered { .. } => ("done".to_owned(), "ok", Some("Do it again")),
        DeliveryState::Ended { reason, .. } => {
            let text = match reason {
                EndReason::Canceled => "refused".to_owned(),
                reason => format!("given up: {reason}"),
            };
            (text, "bad", Some("Do it again"))
        }
        _ => ("not known".to_owned(), "soft", None),
    }
}

fn clock_words(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or_default();
    at.strftime("%H:%M:%S UTC").to_string()
}

/// Which action for which event; without a rule, the matching of rules.
#[derive(Deserialize)]
struct Again {
    source: String,
    key: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    step: String,
}

async fn again(State(relay): State<Relay>, Form(form): Form<Again>) -> Response {
    let (customer, endpoint, event) = if form.rule.is_empty() {
        (source_customer(&form.source), EVERY_TYPE, form.key.clone())
    } else {
        let event = action_id(&form.key, &form.step);
        (rule_customer(&form.rule), form.step.as_str(), event)
    };
    let Some(endpoint) = relay.endpoint(&customer, endpoint) else {
        let text = "This is no longer in the file.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let entry = Entry {
        event,
        rule: form.rule,
        step: form.step,
    };
    if let Err(error) = relay.ledger().forget(&entry).await {
        tracing::error!(%error, "could not repeat an action");
        let text = "The store failed; try again.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    let endpoints = relay.webhooks().endpoints(&customer);
    match endpoints.resend(endpoint, &entry.event).await {
        Ok(()) => {
            tracing::info!(
                event.id = entry.event,
                "{customer}: repeating it, as requested"
            );
            Redirect::to(&format!("/#{}", form.key)).into_response()
        }
        Err(error) => (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
    }
}
