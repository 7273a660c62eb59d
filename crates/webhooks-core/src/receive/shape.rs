//! What the body of a verified event looks like: where its type and data are.

use super::Rejection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How [`Verified`](super::Verified) reads a body: [`Envelope`], [`StandardWebhooks`] or [`Bare`].
pub trait Shape: sealed::Sealed {
    /// The event in the body of a request whose header has this id.
    #[doc(hidden)]
    fn open<T: DeserializeOwned>(body: &[u8], id: &str) -> Result<Opened<T>, Rejection>;
}

/// `{"id": …, "event": …, "data": …}`, as webhooks-core sends it; the id is the header's.
#[derive(Debug, Clone, Copy)]
pub enum Envelope {}

/// `{"type": …, "timestamp": …, "data": …}`, as Standard Webhooks recommends and Clerk and Resend
/// send it.
#[derive(Debug, Clone, Copy)]
pub enum StandardWebhooks {}

/// The whole body is the data, as Svix sends what its customers give it. The event's type is the body's `type` if
/// that is a string, and empty otherwise.
#[derive(Debug, Clone, Copy)]
pub enum Bare {}

/// What a body says.
#[doc(hidden)]
#[derive(Debug)]
pub struct Opened<T> {
    pub(super) event_type: String,
    pub(super) occurred_at: Option<String>,
    pub(super) data: Result<T, Rejection>,
}

impl Shape for Envelope {
    fn open<T: DeserializeOwned>(body: &[u8], id: &str) -> Result<Opened<T>, Rejection> {
        let fields = Fields::read(body)?;
        let missing = |field| Rejection::MissingField {
            field,
            shape: "{id, event, data}",
        };
        if fields.id.ok_or(missing("id"))? != id {
            return Err(Rejection::IdsDiffer);
        }
        Ok(Opened {
            event_type: fields.event.ok_or(missing("event"))?.into_owned(),
            occurred_at: None,
            data: parse(fields.data.ok_or(missing("data"))?),
        })
    }
}

impl Shape for StandardWebhooks {
    fn open<T: DeserializeOwned>(body: &[u8], _: &str) -> Result<Opened<T>, Rejection> {
        let fields = Fields::read(body)?;
        let missing = |field| Rejection::MissingField {
            field,
            shape: "{type, timestamp, data}",
        };
        Ok(Opened {
            event_type: fields.kind.ok_or(missing("type"))?.into_owned(),
            occurred_at: fields.timestamp.and_then(text),
            data: parse(fields.data.ok_or(missing("data"))?),
        })
    }
}

impl Shape for Bare {
    fn open<T: DeserializeOwned>(body: &[u8], _: &str) -> Result<Opened<T>, Rejection> {
        // Arbitrary data may have no type at all, or one that is not text.
        let fields = serde_json::from_slice::<BareFields<'_>>(body).ok();
        let kind = fields.and_then(|fields| fields.kind).and_then(text);
        Ok(Opened {
            event_type: kind.unwrap_or_default(),
            occurred_at: None,
            data: serde_json::from_slice(body).map_err(Rejection::Unfit),
        })
    }
}

/// The fields of either envelope, each of which may be missing until a shape asks for it.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BareFields<'a> {
    #[serde(borrow, default, rename = "type", deserialize_with = "present")]
    kind: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Rejection> {
        serde_json::from_slice(body).map_err(Rejection::Unfit)
    }
}

/// A field that is present, even if it is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

fn parse<T: DeserializeOwned>(value: &RawValue) -> Result<T, Rejection> {
    serde_json::from_str(value.get()).map_err(Rejection::Unfit)
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

mod sealed {
    /// Only the shapes in this module exist.
    pub trait Sealed {}

    impl Sealed for super::Envelope {}
    impl Sealed for super::StandardWebhooks {}
    impl Sealed for super::Bare {}
}
