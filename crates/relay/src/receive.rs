//! A webhook arrives: it is verified, stored, and only then acknowledged.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRef, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use webhooks_core::{
    EVENT_TYPE_BYTES_MAX, Event, SendError,
    receive::{Rejection, VerifiedBody, Verifier},
    scheme::{Provider, is_form},
};

use crate::{endpoints::source_customer, relay::Relay, values::Received};

/// The length of the hash that identifies an event in the store: 128 bits.
const KEY_CHARS: usize = 32;

/// What the handler of one source needs.
#[derive(Clone)]
struct At {
    relay: Relay,
    source: Arc<str>,
    provider: Provider,
    verifier: Verifier,
}

impl FromRef<At> for Verifier {
    fn from_ref(at: &At) -> Self {
        at.verifier.clone()
    }
}

/// A route for each source.
pub(crate) fn routes(relay: &Relay) -> Router {
    let mut router = Router::new();
    for source in &relay.config().sources {
        let at = At {
            relay: relay.clone(),
            source: source.name.as_str().into(),
            provider: source.provider,
            verifier: relay.verifier(source),
        };
        router = router.route(&source.path, post(receive).with_state(at));
    }
    router
}

async fn receive(State(at): State<At>, request: VerifiedBody) -> Result<Response, Rejection> {
    if let Some(challenge) = request.challenge {
        return Ok(challenge.into_response());
    }
    let received = received(&at.source, at.provider, &request)?;
    let key = key(&at.source, &received.id);
    let event = Event::new(stored_type(&received.event), &received).id(&key);
    let sent = at
        .relay
        .webhooks()
        .send(&source_customer(&at.source), event)
        .await;
    Ok(match sent {
        Ok(sent) => {
            let again = if sent.duplicate { ", again" } else { "" };
            tracing::info!(
                source = &*at.source,
                event.id = key,
                "{} from {}{again}",
                received.event,
                at.source
            );
            StatusCode::OK
        }
        Err(error) => refused(&at.source, &key, &error),
    }
    .into_response())
}

fn refused(source: &str, key: &str, error: &SendError) -> StatusCode {
    let status = match error {
        SendError::Conflict(_) => StatusCode::CONFLICT,
        SendError::Event(_) => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    tracing::warn!(
        source,
        event.id = key,
        status = status.as_u16(),
        reason = %error,
        "a webhook was not stored"
    );
    status
}

/// The id of an event in the store: any id, of any length, becomes one that fits.
pub(crate) fn key(source: &str, id: &str) -> String {
    let mut hash = hex::encode(Sha256::digest(format!("{source}\0{id}")));
    hash.truncate(KEY_CHARS);
    hash
}

/// An event type that the store accepts: characters that it does not accept become `-`.
fn stored_type(event: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.:/-".contains(c);
    let fitting = event.chars().map(|c| if fits(c) { c } else { '-' });
    fitting.take(EVENT_TYPE_BYTES_MAX).collect()
}

/// The event in a verified request.
fn received(
    source: &str,
    provider: Provider,
    request: &VerifiedBody,
) -> Result<Received, Rejection> {
    let payload = payload(request)?;
    let named = request.verification.unsigned_event_type.clone();
    let of_header = request.verification.id.clone();
    let id = of_header.or_else(|| signed_id(provider, &payload));
    let (said, data) = opened_body(Some(provider), payload);
    let event = named.or(said);
    Ok(Received {
        id: id.unwrap_or_else(|| request.body_key()),
        event: event
            .filter(|event| !event.is_empty())
            .unwrap_or("unknown".to_owned()),
        source: source.to_owned(),
        data,
    })
}

/// The event's type, if the body contains it, and its data.
pub(crate) fn opened_body(provider: Option<Provider>, payload: Value) -> (Option<String>, Value) {
    match provider {
        None | Some(Provider::Standard) => opened(payload),
        Some(provider) => (event_type(provider, &payload), payload),
    }
}

/// The body as JSON; a form without JSON inside becomes an object of its fields.
fn payload(request: &VerifiedBody) -> Result<Value, Rejection> {
    let form = if is_form_body(&request.headers) {
        request.form()?
    } else {
        Vec::new()
    };
    if form.is_empty() || form.iter().any(|(name, _)| name == "payload") {
        return request.json();
    }
    let fields = form.into_iter().map(|(name, value)| (name, value.into()));
    Ok(Value::Object(fields.collect::<Map<_, _>>()))
}

fn is_form_body(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE);
    media_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_form)
}

/// The id in a body that is signed as a whole, for providers that put one there.
fn signed_id(provider: Provider, payload: &Value) -> Option<String> {
    let field = match provider {
        Provider::Stripe | Provider::Discord => "id",
        Provider::Slack | Provider::Paddle => "event_id",
        _ => return None,
    };
    Some(payload.get(field)?.as_str()?.to_owned())
}

/// The event's type in the body, where the provider puts it.
fn event_type(provider: Provider, payload: &Value) -> Option<String> {
    let text = |pointer: &str| Some(payload.pointer(pointer)?.as_str()?.to_owned());
    match provider {
        Provider::Slack => text("/event/type").or_else(|| text("/type")),
        Provider::Twilio => text("/MessageStatus").or_else(|| text("/SmsStatus")),
        _ => text("/event_type")
            .or_else(|| text("/event"))
            .or_else(|| text("/type")),
    }
}

/// The type and the data of a Standard Webhooks body: `{id, event, data}` as webhooks-core sends
/// it, `{type, timestamp, data}` as the specification recommends, or anything, as Svix lets its
/// customers send.
fn opened(mut payload: Value) -> (Option<String>, Value) {
    let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
    let event = text("event").or_else(|| text("type"));
    let is_envelope =
        event.is_some() && (payload.get("id").is_some() || payload.get("timestamp").is_some());
    match payload.get_mut("data").filter(|_| is_envelope) {
        Some(data) => (event, data.take()),
        None => (event, payload),
    }
}
