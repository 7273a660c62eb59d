//! One captured request, and its answer.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serve::wire::Head;

use crate::{content::Content, delivery::Delivery, diagnosis::Diagnosis, scope_path};

/// The memory of a record besides its bytes: the struct, its map entries, its small strings.
const RECORD_BYTES: usize = 768;
/// Two spans of a header line.
const HEADER_BYTES: usize = 16;

/// A captured request with its exact bytes. Its serialized form has neither head nor body: the
/// store keeps those separately.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Counted from 1 since the store was created.
    #[serde(skip)]
    pub id: u64,
    /// The scope it came to; `default` outside `/in/<name>/`.
    pub scope: Arc<str>,
    /// When its head was complete.
    #[serde(skip)]
    pub received_at: Timestamp,
    /// Who sent it.
    pub remote: SocketAddr,
    /// The head; `None` if the bytes could not be read as one.
    #[serde(skip)]
    pub head: Option<Head>,
    /// The first bytes, if they could not be read as a head.
    #[serde(skip)]
    pub first_bytes: Bytes,
    /// The body as received, without chunk framing.
    #[serde(skip)]
    pub body: Bytes,
    /// Whether the body was cut at a limit.
    pub body_cut: bool,
    /// Trailer lines of a chunked body, as received.
    #[serde(skip)]
    pub trailers: Bytes,
    /// Why the request could not be read to its end.
    pub problem: Option<String>,
    /// What is odd about it without being wrong.
    pub notes: Vec<String>,
    /// A person's note about it.
    #[serde(default)]
    pub comment: String,
    /// The kind of the body.
    pub content: Content,
    /// The event's type, if headers or body name it.
    pub event: Option<String>,
    /// Which attempt of which delivery it is.
    pub delivery: Option<Delivery>,
    /// What the signature check found; `None` if none was asked for.
    pub diagnosis: Option<Diagnosis>,
    #[serde(with = "answer_cell")]
    pub(crate) answer: OnceLock<Answer>,
}

/// Null until there is an answer.
mod answer_cell {
    use super::{Answer, Deserialize, OnceLock, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(
        answer: &OnceLock<Answer>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        answer.get().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OnceLock<Answer>, D::Error> {
        let answer = Option::<Answer>::deserialize(deserializer)?;
        Ok(answer.map_or_else(OnceLock::new, OnceLock::from))
    }
}

/// What was sent back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    /// `None` if nothing was sent: the client was left hanging, or its connection was reset.
    pub status: Option<u16>,
    /// As written, without framing headers.
    pub headers: Vec<(String, String)>,
    /// The body sent, up to the body limit.
    #[serde(skip)]
    pub body: Bytes,
    /// How many bytes of body were sent.
    pub body_size: u64,
    /// From the end of the request to the end of the answer.
    pub after: Duration,
    /// The time at which the client closed the connection, if it did so before the answer.
    pub hung_up_after: Option<Duration>,
    /// A further remark: a fault that was asked for, or an error while writing.
    pub note: Option<String>,
    /// The answer of the app behind `--forward`.
    pub forward: Option<Forwarded>,
}

/// What became of a forwarded request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forwarded {
    /// Where it went.
    pub url: String,
    /// What the app answered.
    pub status: Option<u16>,
    /// Why it did not answer, or not to the end of its body.
    pub error: Option<String>,
    /// How long it took.
    pub after: Duration,
}

impl Record {
    /// The method, or an empty string for a request that could not be read.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.as_ref().map_or("", Head::method)
    }

    /// Path and query as received; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn target(&self) -> String {
        self.head.as_ref().map_or_else(String::new, |head| {
            String::from_utf8_lossy(head.target()).into_owned()
        })
    }

    /// Path and query for an app, which does not know about scopes: without the prefix
    /// `/in/<name>` and without scheme and authority.
    pub(crate) fn app_target(&self) -> Vec<u8> {
        let origin = self.head.as_ref().map_or(&b"/"[..], Head::origin_form);
        let within = std::str::from_utf8(origin)
            .ok()
            .and_then(scope_path::split)
            .map_or(origin, |(_, within)| within.as_bytes());
        match within.first() {
            Some(b'/') => within.to_vec(),
            _ => [b"/", within].concat(),
        }
    }

    /// The path without its query.
    #[must_use]
    pub fn path(&self) -> String {
        self.head.as_ref().map_or_else(String::new, |head| {
            String::from_utf8_lossy(head.path()).into_owned()
        })
    }

    /// Names and values in the order, case and repetition received.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.iter().flat_map(Head::headers)
    }

    /// The first header of this name, ignoring case, if it is UTF-8.
    #[must_use]
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.head.as_ref()?.text(name)
    }

    /// The entries of comma-separated headers of this name, in order.
    pub(crate) fn headers_named(&self, name: &str) -> Vec<String> {
        self.head
            .iter()
            .flat_map(|head| head.all(name))
            .flat_map(|value| {
                let value = String::from_utf8_lossy(value);
                let items = value.split(',').map(|item| item.trim().to_owned());
                items.collect::<Vec<_>>()
            })
            .filter(|item| !item.is_empty())
            .collect()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// The body is not JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
    }

    /// The answer; `None` until it is finished.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        self.answer.get()
    }

    /// The status that was answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.answer()?.status
    }

    /// Bytes of memory that this record takes, including its answer.
    pub(crate) fn cost(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| {
            head.raw().len() + head.header_count() * HEADER_BYTES
        });
        RECORD_BYTES
            + head
            + self.first_bytes.len()
            + self.body.len()
            + self.trailers.len()
            + self.comment.len()
            + self.diagnosis.as_ref().map_or(0, Diagnosis::cost)
            + self.answer().map_or(0, |answer| answer.cost(&self.body))
    }
}

impl Record {
    /// An empty record, to be filled in.
    pub(crate) fn empty(id: u64) -> Self {
        Self {
            id,
            scope: crate::scope::DEFAULT.into(),
            received_at: Timestamp::UNIX_EPOCH,
            remote: ([127, 0, 0, 1], 1).into(),
            head: None,
            first_bytes: Bytes::new(),
            body: Bytes::new(),
            body_cut: false,
            trailers: Bytes::new(),
            problem: None,
            notes: Vec::new(),
            comment: String::new(),
            content: Content::None,
            event: None,
            delivery: None,
            diagnosis: None,
            answer: OnceLock::new(),
        }
    }
}

impl Answer {
    fn cost(&self, request_body: &Bytes) -> usize {
        // An echo shares the request's bytes.
        let shared = self.body.as_ptr() == request_body.as_ptr();
        let body = if shared { 0 } else { self.body.len() };
        let headers: usize = self
            .headers
            .iter()
            .map(|(n, v)| n.len() + v.len() + 48)
            .sum();
        body + headers
    }
}
