//! A captured request made ready to be sent again: with changed values, signed anew.
//!
//! It decides nothing about where replays may go; the API and the command line do.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::{
    diagnosis::{Preset, SigningSecret, ToSign, sign},
    outbound::Outgoing,
    record::Record,
    wire::{is_framing, is_hop_by_hop},
};

/// Signs what is sent again.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) preset: Preset,
    pub(crate) secret: SigningSecret,
}

/// Refuses what cannot be sent again.
///
/// # Errors
/// A sentence that says why.
pub(crate) fn check(record: &Record) -> Result<(), String> {
    let id = record.id;
    if record.head.is_none() {
        return Err(format!(
            "request #{id} could not be read, so it cannot be sent again"
        ));
    }
    if record.body_cut {
        return Err(format!(
            "the body of request #{id} was cut, so it cannot be sent again"
        ));
    }
    Ok(())
}

/// The request to send: path and query of `to` when it has any, else those of the record;
/// `set` has the values to change first, with the names `body` (all of it, a text as it is),
/// `body.data`, `body.items.0.name` or `header.X-Name` (null takes a header away).
///
/// # Errors
/// A sentence for everything that is wrong.
pub(crate) fn outgoing(
    record: &Record,
    set: &serde_json::Map<String, Value>,
    to: &Url,
    signer: Option<&Signer>,
) -> Result<Outgoing, Vec<String>> {
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
    for (key, value) in set {
        if let Some(name) = key.strip_prefix("header.") {
            if let Err(fault) = set_header(&mut headers, name, value) {
                faults.push(fault);
            }
        } else if key == "body" {
            body = match value {
                Value::String(text) => Bytes::from(text.clone()),
                other => Bytes::from(other.to_string()),
            };
            json = None;
        } else if let Some(path) = key.strip_prefix("body.") {
            let document = match &mut json {
                Some(document) => document,
                None => match serde_json::from_slice(&body) {
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
            faults.push(format!("{key} is neither body, body.… nor header.…"));
        }
    }
    if let Some(document) = json {
        body = Bytes::from(document.to_string());
    }
    if let Some(signer) = signer {
        resign(record, signer, to, &target, &mut headers, &body);
    }
    if !faults.is_empty() {
        return Err(faults);
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
    if is_framing(name) {
        return Err(format!("header.{name} is set by polis, from the body"));
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
    record: &Record,
    signer: &Signer,
    to: &Url,
    target: &[u8],
    headers: &mut Vec<(String, Vec<u8>)>,
    body: &[u8],
) {
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
        signer.preset,
        &signer.secret,
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
}
