//! Other bodies and other contents a sender may have signed instead of what arrived.

use super::{FindingKind, Preset, claims::Claims};
use crate::json_text::{Spacing, respace};

/// A body that may have been signed, and what would have had to happen.
pub(super) struct BodyVariant {
    pub(super) kind: FindingKind,
    pub(super) text: &'static str,
    pub(super) body: Vec<u8>,
}

/// The bodies that common mistakes turn this one into, without the body itself.
pub(super) fn bodies(body: &[u8]) -> Vec<BodyVariant> {
    let mut variants = Vec::new();
    let mut add = |kind, text, changed: Option<Vec<u8>>| {
        if let Some(changed) = changed.filter(|changed| changed != body) {
            variants.push(BodyVariant {
                kind,
                text,
                body: changed,
            });
        }
    };
    use FindingKind::{LineEnds, Newline, Reserialised};
    let stripped = body
        .iter()
        .rposition(|b| !matches!(b, b'\r' | b'\n'))
        .map_or(&body[..0], |last| &body[..=last]);
    add(
        Newline,
        "without the line end at the end of the body",
        Some(stripped.to_vec()),
    );
    add(
        Newline,
        "with a line end after the body",
        Some([body, b"\n"].concat()),
    );
    add(
        Newline,
        "without the white space around the body",
        Some(body.trim_ascii().to_vec()),
    );
    let unix = replace(body, b"\r\n", b"\n");
    add(
        LineEnds,
        "with LF where the body has CRLF",
        Some(unix.clone()),
    );
    add(
        LineEnds,
        "with CRLF where the body has LF",
        Some(replace(&unix, b"\n", b"\r\n")),
    );
    let compact = respace(body, Spacing::Compact);
    add(Reserialised, "as JSON without spaces", compact.clone());
    let spaced = respace(body, Spacing::Spaced);
    add(
        Reserialised,
        "as JSON with a space after each comma and colon (Python's default)",
        spaced.clone(),
    );
    add(
        Reserialised,
        "as JSON indented by two spaces",
        respace(body, Spacing::Indented(2)),
    );
    add(
        Reserialised,
        "as JSON indented by four spaces",
        respace(body, Spacing::Indented(4)),
    );
    let sorted = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| serde_json::to_vec(&value).ok());
    add(
        Reserialised,
        "as JSON with sorted keys and a space after each comma and colon",
        sorted
            .as_deref()
            .and_then(|json| respace(json, Spacing::Spaced)),
    );
    add(
        Reserialised,
        "as JSON with sorted keys, without spaces",
        sorted,
    );
    for (json, text) in [
        (
            compact.clone(),
            "as JSON without spaces, with letters beyond ASCII escaped",
        ),
        (
            spaced,
            "as JSON with spaces, with letters beyond ASCII escaped (Python's default)",
        ),
    ] {
        add(Reserialised, text, json.and_then(|json| ascii(&json)));
    }
    add(
        Reserialised,
        "as JSON with slashes escaped (PHP's default)",
        compact.map(|json| replace(&json, b"/", b"\\/")),
    );
    variants
}

fn replace(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(body.len());
    let mut position = 0;
    while position < body.len() {
        if body[position..].starts_with(from) {
            changed.extend_from_slice(to);
            position += from.len();
        } else {
            changed.push(body[position]);
            position += 1;
        }
    }
    changed
}

fn ascii(json: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(json).ok()?;
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() {
            escaped.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Some(escaped.into_bytes())
}

/// What stands before the body in the signed content; the right one first.
pub(super) fn prefixes(preset: Preset, claims: &Claims) -> Vec<(Option<&'static str>, Vec<u8>)> {
    let time = claims.timestamp.as_deref().unwrap_or_default();
    let id = &claims.id;
    match preset {
        Preset::Standard => vec![
            (None, format!("{id}.{time}.").into_bytes()),
            (
                Some("the body alone is signed, without id and timestamp"),
                Vec::new(),
            ),
            (
                Some("timestamp and body are signed, without the id"),
                format!("{time}.").into_bytes(),
            ),
            (
                Some("id and body are signed, without the timestamp"),
                format!("{id}.").into_bytes(),
            ),
            (
                Some("timestamp and id are signed in the wrong order"),
                format!("{time}.{id}.").into_bytes(),
            ),
        ],
        Preset::Stripe => vec![
            (None, format!("{time}.").into_bytes()),
            (
                Some("the body alone is signed, without the timestamp"),
                Vec::new(),
            ),
        ],
        Preset::Slack => vec![
            (None, format!("v0:{time}:").into_bytes()),
            (
                Some("the body alone is signed, without \"v0:\" and the timestamp"),
                Vec::new(),
            ),
            (
                Some("timestamp and body are signed, without \"v0:\""),
                format!("{time}:").into_bytes(),
            ),
            (
                Some("timestamp and body are joined by a dot"),
                format!("{time}.").into_bytes(),
            ),
        ],
        Preset::Github | Preset::Shopify | Preset::Twilio => vec![(None, Vec::new())],
    }
}
