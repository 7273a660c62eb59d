//! An event: a fact that happened, and the exact body that reports it.

use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::finite::not_finite;

/// The largest body of an event, in bytes. Standard Webhooks recommends small payloads; 256 KiB is what common
/// receivers accept.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;
/// The longest event type, in bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 128;
/// The longest event id, in bytes.
pub const EVENT_ID_BYTES_MAX: usize = 64;
/// The longest customer id, in bytes.
pub const CUSTOMER_BYTES_MAX: usize = 128;

/// A fact that happened: a type, such as `random_number:generate`, and its data.
///
/// It is sent as the JSON body `{"id":"<uuid>","event":"<type>","data":<data>}`.
#[derive(Debug, Clone)]
pub struct Event {
    event_type: String,
    data: Result<Box<serde_json::value::RawValue>, String>,
    id: Option<String>,
    traceparent: Option<String>,
}

/// An event was refused before anything was stored.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The type is empty, too long, or contains a character that is not allowed.
    #[error(
        "event type {0:?} is invalid: use 1 to {EVENT_TYPE_BYTES_MAX} ASCII letters, digits, _ . : / and -"
    )]
    Type(String),
    /// The id is empty, too long, or contains a character that is not allowed. Dots are refused because Standard
    /// Webhooks signs `id.timestamp.body`.
    #[error(
        "event id {0:?} is invalid: use 1 to {EVENT_ID_BYTES_MAX} ASCII letters, digits, _ : and -"
    )]
    Id(String),
    /// The customer id is empty, too long, or contains a control character.
    #[error(
        "customer {0:?} is invalid: use 1 to {CUSTOMER_BYTES_MAX} bytes without control characters"
    )]
    Customer(String),
    /// The body is larger than [`EVENT_BYTES_MAX`].
    #[error("the event's body is {0} bytes; the limit is {EVENT_BYTES_MAX}")]
    TooLarge(usize),
    /// The trace context is invalid.
    #[error(
        "traceparent {0:?} is invalid: use 00, 32, 16 and 2 lower-case hexadecimal digits joined by -, neither id all zeros"
    )]
    Traceparent(String),
    /// The data could not be serialized as JSON.
    #[error("the event's data is not JSON: {0}")]
    Data(String),
}

crate::error_text::debug_is_display!(EventError);

impl Event {
    /// An event of type `event_type` about `data`, with an id of its own (a version 7 UUID).
    ///
    /// If the type or the data is invalid, the `send` that takes the event returns the error.
    pub fn new<T: Serialize + ?Sized>(event_type: impl Into<String>, data: &T) -> Self {
        Self {
            event_type: event_type.into(),
            data: to_json(data),
            id: None,
            traceparent: None,
        }
    }

    /// Gives the event an id of your own, which makes sending idempotent: for one customer, the same id with the
    /// same content is the same event; with different content it is an error. Content is compared as JSON: neither
    /// the order of keys nor how a number is written makes a difference.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The trace that the event belongs to, as a W3C Trace Context `traceparent` such as
    /// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`. Every attempt sends it unchanged, so that the
    /// receiver's work becomes part of the app's trace.
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Checks everything and builds the body's final bytes.
    pub(crate) fn prepare(self) -> Result<PreparedEvent, EventError> {
        let data = self.data.map_err(EventError::Data)?;
        if !is_token(&self.event_type, EVENT_TYPE_BYTES_MAX, b"_.:/-") {
            return Err(EventError::Type(shorten(&self.event_type)));
        }
        #[cfg(feature = "postgres")]
        let is_id_chosen = self.id.is_some();
        let id = self.id.unwrap_or_else(|| Uuid::now_v7().to_string());
        if !is_token(&id, EVENT_ID_BYTES_MAX, b"_:-") {
            return Err(EventError::Id(shorten(&id)));
        }
        if let Some(traceparent) = &self.traceparent
            && !is_traceparent(traceparent)
        {
            return Err(EventError::Traceparent(shorten(traceparent)));
        }
        let data = data.get();
        let size =
            data.len() + id.len() + self.event_type.len() + r#"{"id":"","event":"","data":}"#.len();
        if size > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge(size));
        }
        let mut body = Vec::with_capacity(size);
        // Neither the id nor the type can contain a character that JSON escapes: both were just checked.
        for part in [
            r#"{"id":""#,
            &id,
            r#"","event":""#,
            &self.event_type,
            r#"","data":"#,
            data,
            "}",
        ] {
            body.extend_from_slice(part.as_bytes());
        }
        Ok(PreparedEvent {
            id,
            #[cfg(feature = "postgres")]
            is_id_chosen,
            event_type: self.event_type,
            body: Bytes::from(body),
            traceparent: self.traceparent,
        })
    }
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRecord {
    /// Its id.
    pub id: String,
    /// Its type.
    pub event_type: String,
    /// When it was stored.
    pub created_at: SystemTime,
    /// The body, byte for byte as it is sent.
    pub body: Vec<u8>,
}

/// Serializes data as JSON. A number that is not finite is refused, because serde_json would write `null` instead.
fn to_json<T: Serialize + ?Sized>(data: &T) -> Result<Box<serde_json::value::RawValue>, String> {
    let json = serde_json::value::to_raw_value(data).map_err(|error| error.to_string())?;
    // Searched for only where the JSON contains a `null`.
    if json.get().contains("null")
        && let Some(number) = not_finite(data)
    {
        return Err(format!("{number} cannot be represented in JSON"));
    }
    Ok(json)
}

/// An event that passed every check, with its final body.
#[derive(Debug, Clone)]
pub(crate) struct PreparedEvent {
    pub(crate) id: String,
    /// The caller chose the id, so an event may already have it.
    #[cfg(feature = "postgres")]
    pub(crate) is_id_chosen: bool,
    pub(crate) event_type: String,
    pub(crate) body: Bytes,
    pub(crate) traceparent: Option<String>,
}

pub(crate) fn check_customer(customer: &str) -> Result<(), EventError> {
    let valid = !customer.is_empty()
        && customer.len() <= CUSTOMER_BYTES_MAX
        && !customer.chars().any(char::is_control);
    if valid {
        Ok(())
    } else {
        Err(EventError::Customer(shorten(customer)))
    }
}

/// ASCII letters, digits and `extra`, at least one, at most `max`.
pub(crate) fn is_token(text: &str, max: usize, extra: &[u8]) -> bool {
    (1..=max).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
}

/// Version 00 of <https://www.w3.org/TR/trace-context/>.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else {
        return false;
    };
    let hex = |part: &str, digits: usize| {
        part.len() == digits
            && part
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let id = |part: &str, digits| hex(part, digits) && part.bytes().any(|byte| byte != b'0');
    version == "00" && id(trace, 32) && id(parent, 16) && hex(flags, 2)
}

/// Enough of a refused value to recognise it, but never megabytes of it.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    if text.chars().count() <= SHOWN_CHARS {
        return text.to_owned();
    }
    text.chars().take(SHOWN_CHARS).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_the_one_of_the_talk() {
        let event = Event::new("random_number:generate", &863)
            .id("first")
            .prepare()
            .unwrap();
        assert_eq!(
            event.body,
            r#"{"id":"first","event":"random_number:generate","data":863}"#
        );
    }

    #[test]
    fn an_event_without_an_id_gets_a_uuid() {
        let event = Event::new("a", &()).prepare().unwrap();
        assert_eq!(Uuid::parse_str(&event.id).unwrap().get_version_num(), 7);
    }

    /// Data with a genuine `null`, and a number deep inside.
    fn serde_json_like(number: f64) -> impl Serialize {
        let inner = std::collections::HashMap::from([("x", vec![Some((1, number))])]);
        (None::<u8>, Some(inner))
    }

    #[test]
    fn a_trace_context_is_checked() {
        let prepared = |text: &str| Event::new("a", &1).traceparent(text).prepare();
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(prepared(good).unwrap().traceparent.as_deref(), Some(good));
        for bad in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nx: y",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-02",
        ] {
            let refused = prepared(bad).unwrap_err();
            assert!(
                matches!(refused, EventError::Traceparent(_)),
                "{bad}: {refused}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |event: Event| event.prepare().unwrap_err();
        assert_eq!(refused(Event::new("", &1)), EventError::Type(String::new()));
        assert_eq!(
            refused(Event::new("a\"b", &1)),
            EventError::Type("a\"b".to_owned())
        );
        assert_eq!(
            refused(Event::new("a", &1).id("a.b")),
            EventError::Id("a.b".to_owned())
        );
        let large = "x".repeat(EVENT_BYTES_MAX);
        assert!(
            matches!(refused(Event::new("a", &large)), EventError::TooLarge(size) if size > EVENT_BYTES_MAX)
        );
        for (number, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let data = serde_json_like(number);
            assert_eq!(
                refused(Event::new("a", &data)),
                EventError::Data(format!("{name} cannot be represented in JSON"))
            );
        }
        assert!(Event::new("a", &serde_json_like(1.0)).prepare().is_ok());
        let not_json = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(matches!(
            refused(Event::new("a", &not_json)),
            EventError::Data(_)
        ));
    }
}
