//! The kind of a body, and which event it carries, judged by the headers and the body's content.

use serde::{Deserialize, Serialize};
use serve::wire::Head;

use crate::diagnosis::Preset;

/// The kind of a body; it names a tab of the page and a word in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// No body.
    None,
    /// JSON that parses.
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `multipart/form-data`
    Multipart,
    /// Compressed by a `Content-Encoding`.
    Compressed,
    /// HTML, which is never rendered.
    Html,
    /// XML.
    Xml,
    /// Other text in UTF-8.
    Text,
    /// Bytes that are not text.
    Binary,
}

impl Content {
    /// The kind of this body. JSON counts as JSON only if it parses.
    pub fn of(head: &Head, body: &[u8]) -> Self {
        if body.is_empty() {
            return Self::None;
        }
        if head
            .text("content-encoding")
            .is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity"))
        {
            return Self::Compressed;
        }
        let kind = media_type(head);
        if kind == "multipart/form-data" {
            return Self::Multipart;
        }
        if std::str::from_utf8(body).is_err() {
            return Self::Binary;
        }
        if is_meant_as_json(head, body)
            && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
        {
            return Self::Json;
        }
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            "text/html" => Self::Html,
            "text/xml" | "application/xml" => Self::Xml,
            kind if kind.ends_with("+xml") => Self::Xml,
            _ => Self::Text,
        }
    }

    /// The word for a log line; empty for no body.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Json => "json",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Compressed => "compressed",
            Self::Html => "html",
            Self::Xml => "xml",
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }
}

/// Whether the body claims to be JSON or looks like it: curl -d announces a form whatever it sends.
pub(crate) fn is_meant_as_json(head: &Head, body: &[u8]) -> bool {
    let kind = media_type(head);
    let looks_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    kind == "application/json" || kind.ends_with("+json") || looks_json
}

/// The media type without parameters, in lower case.
pub(crate) fn media_type(head: &Head) -> String {
    head.text("content-type")
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The event's type: a header that names it, else the body's `event` or `type`.
pub(crate) fn event_type(head: &Head, content: Content, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        event: serde_json::Value,
        #[serde(default, rename = "type")]
        kind: serde_json::Value,
    }
    let names = Preset::all().flat_map(|preset| preset.scheme().names);
    let known = names.filter_map(|names| names.event_type);
    for name in known.chain(["x-event-type"]) {
        if let Some(value) = head.text(name).filter(|value| !value.is_empty()) {
            return Some(bounded(value));
        }
    }
    if content != Content::Json || body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let named: Named = serde_json::from_slice(body).ok()?;
    [named.event, named.kind]
        .iter()
        .find_map(|value| value.as_str().filter(|text| !text.is_empty()))
        .map(bounded)
}

/// An event type is a label; a longer one is not a type but an accident.
pub(crate) const LABEL_CHARS: usize = 128;

fn bounded(value: &str) -> String {
    value.chars().take(LABEL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn head(headers: &str) -> Head {
        Head::parse(Bytes::from(format!("POST / HTTP/1.1\r\n{headers}\r\n"))).unwrap()
    }

    #[test]
    fn the_body_decides_what_it_is() {
        let form = head("Content-Type: application/x-www-form-urlencoded\r\n");
        assert_eq!(Content::of(&form, b"a=1"), Content::Form);
        assert_eq!(Content::of(&form, b"{\"a\":1}"), Content::Json);
        let json = head("Content-Type: application/json; charset=utf-8\r\n");
        assert_eq!(Content::of(&json, b"{broken"), Content::Text);
        assert_eq!(Content::of(&json, b"\xff\xfe"), Content::Binary);
        assert_eq!(Content::of(&json, b""), Content::None);
        assert_eq!(
            Content::of(&head("Content-Encoding: gzip\r\n"), b"\x1f\x8b"),
            Content::Compressed
        );
    }

    #[test]
    fn the_event_type_comes_from_a_header_or_the_body() {
        let body = br#"{"id":"1","event":"random_number:generate","data":7}"#;
        let plain = head("");
        assert_eq!(
            event_type(&plain, Content::Json, body).as_deref(),
            Some("random_number:generate")
        );
        assert_eq!(
            event_type(&head("X-GitHub-Event: push\r\n"), Content::Json, body).as_deref(),
            Some("push")
        );
        assert_eq!(
            event_type(&plain, Content::Json, br#"{"type":"a.b"}"#).as_deref(),
            Some("a.b")
        );
        assert_eq!(
            event_type(&plain, Content::Json, br#"{"event":{"x":1}}"#),
            None
        );
    }
}
