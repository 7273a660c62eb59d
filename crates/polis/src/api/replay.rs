//! Sends a captured request again: to this machine, or to URLs given by flag.

use axum::{
    Json,
    extract::{Path, Query as Params, State},
    http::HeaderMap,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::{CapturedHeader, Shared, error::ApiError, query::Query, requests::visible};
use crate::{
    diagnosis::{ToSign, sign},
    outbound::Outgoing,
    record::Record,
    wire::is_hop_by_hop,
};

/// What of the answer's body is told.
const BODY_BYTES: usize = 64 * 1024;

/// What is to be sent, and where.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Replay {
    /// Where to; its path and query count when it has any, else those of the request.
    pub to: String,
    /// Values to change first: `body.data`, `body.items.0.name` in a JSON body, or
    /// `header.X-Name` (null takes a header away).
    pub set: serde_json::Map<String, Value>,
    /// Signs it anew with the first secret of its scope.
    pub resign: bool,
}

/// What was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Replayed {
    /// Where it went.
    pub url: String,
    /// The status.
    pub status: u16,
    /// The headers as received.
    pub headers: Vec<CapturedHeader>,
    /// Bytes of the answer's body.
    pub body_size: usize,
    /// The body up to 64 KiB; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// The same in base64, when it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Milliseconds it took.
    pub after_ms: f64,
}

pub(super) async fn replay(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
    Json(replay): Json<Replay>,
) -> Result<Json<Replayed>, ApiError> {
    let record = visible(&shared, id, &query, &headers)?;
    if record.head.is_none() {
        return Err(ApiError::Conflict(format!(
            "request #{id} could not be read, so it cannot be sent again"
        )));
    }
    if record.body_cut {
        return Err(ApiError::Conflict(format!(
            "the body of request #{id} was cut, so it cannot be sent again"
        )));
    }
    let to = Url::parse(&replay.to)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            ApiError::Invalid(vec![format!(
                "to: {:?} is not an http:// or https:// URL",
                replay.to
            )])
        })?;
    let vouched = shared
        .polis
        .replay_to
        .iter()
        .any(|base| is_under(&to, base));
    if !vouched && !is_loopback(&to) {
        return Err(ApiError::NotAllowed(format!(
            "replays go to this machine only; start polis with --replay-to {} to allow it",
            to.origin().ascii_serialization()
        )));
    }
    if !vouched && to.scheme() == "https" {
        return Err(ApiError::NotAllowed(format!(
            "replays to this machine use http://; start polis with --replay-to {} for https",
            to.origin().ascii_serialization()
        )));
    }
    let outgoing = outgoing(&shared, &record, &replay, &to)?;
    let begun = Instant::now();
    let outbound = &shared.polis.outbound;
    let answer = if vouched {
        outbound.send(&to, outgoing).await
    } else {
        outbound.send_to_loopback(&to, outgoing).await
    }
    .map_err(|error| ApiError::Upstream(format!("{}: {error}", replay.to)))?;
    let shown = &answer.body[..answer.body.len().min(BODY_BYTES)];
    Ok(Json(Replayed {
        url: replay.to.clone(),
        status: answer.status,
        headers: answer
            .headers
            .iter()
            .map(|(name, value)| CapturedHeader {
                name: name.clone(),
                value: String::from_utf8_lossy(value).into_owned(),
                value_base64: None,
            })
            .collect(),
        body_size: answer.body.len(),
        body: String::from_utf8_lossy(shown).into_owned(),
        body_base64: std::str::from_utf8(shown)
            .is_err()
            .then(|| STANDARD.encode(shown)),
        after_ms: (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3,
    }))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Same scheme, host and port, and a path below the one that was given.
fn is_under(url: &Url, base: &Url) -> bool {
    let path = base.path().trim_end_matches('/');
    url.origin() == base.origin()
        && url
            .path()
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn outgoing(
    shared: &Shared,
    record: &Record,
    replay: &Replay,
    to: &Url,
) -> Result<Outgoing, ApiError> {
    let target = if to.path() == "/" && to.query().is_none() {
        record
            .head
            .as_ref()
            .map_or_else(|| b"/".to_vec(), |head| head.origin_form().to_vec())
    } else {
        to[url::Position::BeforePath..url::Position::AfterQuery]
            .as_bytes()
            .to_vec()
    };
    let authority = &to[url::Position::BeforeHost..url::Position::AfterPort];
    let mut headers = vec![("Host".to_owned(), authority.as_bytes().to_vec())];
    headers.extend(
        record
            .headers()
            .filter(|(name, _)| {
                !is_hop_by_hop(name)
                    && !["host", "content-length", "expect"]
                        .iter()
                        .any(|own| name.eq_ignore_ascii_case(own))
            })
            .map(|(name, value)| (name.to_owned(), value.to_vec())),
    );
    let mut body = record.body.clone();
    let mut faults = Vec::new();
    let mut json: Option<Value> = None;
    for (key, value) in &replay.set {
        if let Some(name) = key.strip_prefix("header.") {
            if let Err(fault) = set_header(&mut headers, name, value) {
                faults.push(fault);
            }
        } else if let Some(path) = key.strip_prefix("body.") {
            let document = match &mut json {
                Some(document) => document,
                None => match serde_json::from_slice(&record.body) {
                    Ok(parsed) => json.insert(parsed),
                    Err(_) => {
                        faults.push(format!("{key}: the body is not JSON"));
                        continue;
                    }
                },
            };
            if let Err(fault) = set_value(document, path, value) {
                faults.push(fault);
            }
        } else {
            faults.push(format!("{key} is neither body.… nor header.…"));
        }
    }
    if let Some(document) = json {
        body = Bytes::from(document.to_string());
    }
    if replay.resign
        && let Err(fault) = resign(shared, record, to, &target, &mut headers, &body)
    {
        faults.push(fault);
    }
    if !faults.is_empty() {
        return Err(ApiError::Invalid(faults));
    }
    Ok(Outgoing {
        method: record.method().to_owned(),
        target,
        headers,
        body,
    })
}

fn set_header(
    headers: &mut Vec<(String, Vec<u8>)>,
    name: &str,
    value: &Value,
) -> Result<(), String> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("header.{name} is not a header's name"));
    }
    headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
    let text = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if http::HeaderValue::from_str(&text).is_err() {
        return Err(format!(
            "header.{name}: the value has characters that no header may have"
        ));
    }
    headers.push((name.to_owned(), text.into_bytes()));
    Ok(())
}

/// Sets a value inside a JSON document; objects on the way are made, arrays are not grown.
fn set_value(document: &mut Value, path: &str, value: &Value) -> Result<(), String> {
    let mut place = document;
    for part in path.split('.') {
        place = match place {
            Value::Object(map) => map
                .entry(part)
                .or_insert(Value::Object(serde_json::Map::new())),
            Value::Array(items) => {
                let count = items.len();
                part.parse::<usize>()
                    .ok()
                    .and_then(|index| items.get_mut(index))
                    .ok_or_else(|| format!("body.{path}: {part:?} is no index of {count} items"))?
            }
            other => return Err(format!("body.{path}: {other} has no {part:?}")),
        };
    }
    *place = value.clone();
    Ok(())
}

fn resign(
    shared: &Shared,
    record: &Record,
    to: &Url,
    target: &[u8],
    headers: &mut Vec<(String, Vec<u8>)>,
    body: &[u8],
) -> Result<(), String> {
    let missing = || {
        format!(
            "resign: scope {} has no secret; start polis with --verify and POLIS_SECRETS",
            record.scope
        )
    };
    let scope = shared
        .polis
        .scopes
        .find(&record.scope)
        .ok_or_else(missing)?;
    let settings = scope.settings();
    let verification = settings.verification.as_ref().ok_or_else(missing)?;
    let secret = verification.secrets.first().ok_or_else(missing)?;
    let url = format!(
        "{}{}",
        &to[..url::Position::AfterPort],
        String::from_utf8_lossy(target)
    );
    let id = record.delivery.as_ref().map_or_else(
        || uuid::Uuid::now_v7().to_string(),
        |delivery| delivery.id.clone(),
    );
    let signed = sign(
        verification.preset,
        secret,
        &ToSign {
            id: &id,
            at: Timestamp::now(),
            url: &url,
            content_type: record.header("content-type"),
            body,
        },
    );
    headers.retain(|(given, _)| {
        let is_new = signed
            .iter()
            .any(|(name, _)| given.eq_ignore_ascii_case(name));
        // Svix's names mean the same and would be believed first by some.
        !is_new && !given.to_ascii_lowercase().starts_with("svix-")
    });
    headers.extend(
        signed
            .into_iter()
            .map(|(name, value)| (name, value.into_bytes())),
    );
    Ok(())
}
