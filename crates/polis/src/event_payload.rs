//! An event as its provider would write it: the body, and the headers that name it.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::diagnosis::Preset;

/// What happened.
#[derive(Debug)]
pub(crate) struct Happened<'a> {
    pub(crate) id: &'a str,
    /// The event's type.
    pub(crate) kind: Option<&'a str>,
    /// JSON.
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) at: Timestamp,
}

/// Events as the providers' documentation shows them, for callers that give no event of their own.
const FIXTURES: &str = include_str!("fixtures.json");

#[derive(Deserialize)]
struct Fixture<'a> {
    event: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Body and headers, without a signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

impl Payload {
    /// The event around its data, byte for byte as the data was given.
    pub(crate) fn of(preset: Preset, event: &Happened<'_>) -> Result<Self, String> {
        if event.kind.is_none() && event.data.is_none() {
            let fixtures: BTreeMap<&str, Fixture<'_>> =
                serde_json::from_str(FIXTURES).map_err(|error| error.to_string())?;
            let fixture = (fixtures.get(preset.name()))
                .ok_or_else(|| format!("there is no example event for {preset}; give --event"))?;
            return Self::of(
                preset,
                &Happened {
                    kind: Some(fixture.event),
                    data: Some(fixture.data.get().as_bytes()),
                    ..*event
                },
            );
        }
        let data = json(event.data.unwrap_or(b"null"))?;
        let kind = || {
            event
                .kind
                .ok_or_else(|| format!("a {preset} webhook needs --event with its type"))
        };
        let id = quoted(event.id);
        let seconds = event.at.as_second();
        Ok(match preset {
            Preset::Standard => Self::json(format!(
                r#"{{"id":{id},"event":{},"data":{data}}}"#,
                quoted(kind()?)
            )),
            Preset::Stripe => Self::json(format!(
                r#"{{"id":{},"object":"event","created":{seconds},"type":{},"data":{{"object":{}}}}}"#,
                quoted(&format!("evt_{}", event.id.replace('-', ""))),
                quoted(kind()?),
                object(event.data, data, preset)?
            )),
            Preset::Slack => {
                let fields = object(event.data, data, preset)?;
                let fields = fields.trim_start().trim_start_matches('{').trim_start();
                let comma = if fields.starts_with('}') { "" } else { "," };
                Self::json(format!(
                    r#"{{"type":"event_callback","event_id":{},"event_time":{seconds},"event":{{"type":{}{comma}{fields}}}"#,
                    quoted(&format!("Ev{}", event.id.replace('-', ""))),
                    quoted(kind()?),
                ))
            }
            Preset::Discord => Self::json(format!(
                r#"{{"version":1,"type":1,"event":{{"type":{},"timestamp":{},"data":{}}}}}"#,
                quoted(kind()?),
                quoted(&event.at.to_string()),
                object(event.data, data, preset)?
            )),
            Preset::Paddle => Self::json(format!(
                r#"{{"event_id":{},"event_type":{},"occurred_at":{},"data":{}}}"#,
                quoted(&format!("evt_{}", event.id.replace('-', ""))),
                quoted(kind()?),
                quoted(&event.at.to_string()),
                object(event.data, data, preset)?
            )),
            Preset::Linear => Self {
                headers: event_header(preset, Some(kind()?)),
                ..Self::json(format!(
                    r#"{{"action":"create","type":{},"data":{},"webhookTimestamp":{},"webhookId":{id}}}"#,
                    quoted(kind()?),
                    object(event.data, data, preset)?,
                    event.at.as_millisecond(),
                ))
            },
            Preset::Zoom => Self::json(format!(
                r#"{{"event":{},"event_ts":{},"payload":{}}}"#,
                quoted(kind()?),
                event.at.as_millisecond(),
                object(event.data, data, preset)?
            )),
            Preset::Meta => Self::json(format!(
                r#"{{"object":{},"entry":[{}]}}"#,
                quoted(kind()?),
                object(event.data, data, preset)?
            )),
            Preset::Twilio => Self {
                content_type: FORM,
                headers: Vec::new(),
                body: form(event.kind, object(event.data, data, preset)?)?.into_bytes(),
            },
            // GitHub, GitLab and Shopify name the type in a header.
            _ => Self {
                headers: event_header(preset, Some(kind()?)),
                ..Self::json(object(event.data, data, preset)?.to_owned())
            },
        })
    }

    /// A whole body that was given.
    pub(crate) fn whole(preset: Preset, kind: Option<&str>, body: Vec<u8>) -> Self {
        Self {
            content_type: if preset == Preset::Twilio { FORM } else { JSON },
            headers: event_header(preset, kind),
            body,
        }
    }

    fn json(body: String) -> Self {
        Self {
            content_type: JSON,
            headers: Vec::new(),
            body: body.into_bytes(),
        }
    }
}

/// The header that names the event's type, if the provider has one.
fn event_header(preset: Preset, kind: Option<&str>) -> Vec<(String, String)> {
    let names = preset.scheme().names.first();
    let name = names.and_then(|names| names.event_type);
    name.zip(kind)
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .into_iter()
        .collect()
}

fn json(data: &[u8]) -> Result<&str, String> {
    serde_json::from_slice::<&RawValue>(data)
        .map(RawValue::get)
        .map_err(|error| {
            format!("--data is not JSON ({error}); a JSON string has quotes: --data '\"hello\"'")
        })
}

/// The data, which must be an object; an empty one if there is none.
fn object<'a>(given: Option<&[u8]>, data: &'a str, preset: Preset) -> Result<&'a str, String> {
    if given.is_none() {
        return Ok("{}");
    }
    if data.starts_with('{') {
        return Ok(data);
    }
    Err(format!(
        "the data of a {preset} webhook must be a JSON object, like '{{\"name\":\"value\"}}'"
    ))
}

fn quoted(text: &str) -> Value {
    Value::from(text)
}

/// Twilio's parameters; the type of a status callback is its `MessageStatus`.
fn form(kind: Option<&str>, data: &str) -> Result<String, String> {
    let fields: serde_json::Map<String, Value> =
        serde_json::from_str(data).map_err(|error| format!("--data: {error}"))?;
    let mut form = Serializer::new(String::new());
    if let Some(kind) = kind {
        form.append_pair("MessageStatus", kind);
    }
    for (name, value) in &fields {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    Ok(form.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(preset: Preset, kind: Option<&str>, data: Option<&str>) -> Result<Payload, String> {
        Payload::of(
            preset,
            &Happened {
                id: "a-1",
                kind,
                data: data.map(str::as_bytes),
                at: Timestamp::from_second(7).unwrap(),
            },
        )
    }

    fn body(preset: Preset, data: Option<&str>) -> String {
        String::from_utf8(payload(preset, Some("t"), data).unwrap().body).unwrap()
    }

    #[test]
    fn each_provider_wraps_the_data_its_own_way_and_keeps_its_bytes() {
        assert_eq!(
            body(Preset::Standard, Some(" 1.0 ")),
            r#"{"id":"a-1","event":"t","data":1.0}"#
        );
        assert_eq!(
            body(Preset::Standard, None),
            r#"{"id":"a-1","event":"t","data":null}"#
        );
        let data = r#"{"b": 1, "a": "\u00e9"}"#;
        assert_eq!(body(Preset::GitHub, Some(data)), data);
        assert_eq!(
            body(Preset::Stripe, Some(data)),
            format!(
                r#"{{"id":"evt_a1","object":"event","created":7,"type":"t","data":{{"object":{data}}}}}"#
            )
        );
        assert_eq!(
            body(Preset::Slack, Some(data)),
            r#"{"type":"event_callback","event_id":"Eva1","event_time":7,"event":{"type":"t","b": 1, "a": "\u00e9"}}"#
        );
        assert_eq!(
            body(Preset::Slack, None),
            r#"{"type":"event_callback","event_id":"Eva1","event_time":7,"event":{"type":"t"}}"#
        );
        assert_eq!(
            body(Preset::Twilio, Some(r#"{"To":"+1 2","Body":"ü&"}"#)),
            "MessageStatus=t&Body=%C3%BC%26&To=%2B1+2"
        );
    }

    #[test]
    fn what_is_missing_or_no_json_is_told() {
        let error = payload(Preset::GitHub, None, Some("{}")).unwrap_err();
        assert!(error.contains("--event"), "{error}");
        let error = payload(Preset::Standard, Some("t"), Some("hello")).unwrap_err();
        assert!(error.contains("'\"hello\"'"), "{error}");
        let error = payload(Preset::Stripe, Some("t"), Some("1")).unwrap_err();
        assert!(error.contains("object"), "{error}");
        assert!(payload(Preset::Twilio, None, Some("{}")).is_ok());
    }

    #[test]
    fn every_provider_has_an_event_to_send() {
        for preset in Preset::all() {
            let payload = payload(preset, None, None).unwrap();
            assert!(payload.body.len() > 30, "{preset}: {payload:?}");
        }
    }
}
