//! Other bodies and other contents that a sender may have signed instead of what arrived.

use std::{borrow::Cow, collections::HashSet};

use webhooks_core::scheme::Part;

use super::{FindingKind, Preset, claims::Claims};
use crate::json_text::{Spacing, respace};

/// Beyond this size, a body is not changed a second time: deep JSON grows a lot when it is indented.
const SECOND_CHANGE_BYTES: usize = 64 * 1024;

/// A body that may have been signed, and the change that would explain it.
pub(super) struct BodyVariant {
    pub(super) kind: FindingKind,
    pub(super) text: Cow<'static, str>,
    pub(super) body: Vec<u8>,
}

/// A change of a body: its kind, its description, and the result, if it can be made.
type Change = (FindingKind, &'static str, Option<Vec<u8>>);

/// The bodies that one common mistake makes of this one, without the body itself.
pub(super) fn bodies(body: &[u8]) -> Vec<BodyVariant> {
    let changes = ends(body).into_iter().chain(json(body));
    changes
        .filter_map(|(kind, text, changed)| {
            Some(BodyVariant {
                kind,
                text: text.into(),
                body: changed.filter(|changed| changed != body)?,
            })
        })
        .collect()
}

/// The bodies that two mistakes make of this one, such as a formatter and `echo`, which adds a
/// line end. `singles` are the bodies after one mistake; the second mistake is a small one, so
/// that there are dozens of pairs and not hundreds.
pub(super) fn pairs(body: &[u8], singles: &[BodyVariant]) -> Vec<BodyVariant> {
    let mut known: HashSet<Vec<u8>> = singles.iter().map(|single| single.body.clone()).collect();
    known.insert(body.to_vec());
    let mut pairs = Vec::new();
    let small = |single: &&BodyVariant| single.body.len() <= SECOND_CHANGE_BYTES;
    for single in singles.iter().filter(small) {
        let seconds = ends(&single.body).into_iter().chain(escapes(single));
        for (_, text, changed) in seconds {
            let Some(changed) = changed.filter(|changed| known.insert(changed.clone())) else {
                continue;
            };
            pairs.push(BodyVariant {
                kind: single.kind,
                text: format!("{} and {text}", single.text).into(),
                body: changed,
            });
        }
    }
    pairs
}

/// Line ends and white space around the body.
fn ends(body: &[u8]) -> Vec<Change> {
    use FindingKind::{LineEnds, Newline};
    let stripped = body
        .iter()
        .rposition(|b| !matches!(b, b'\r' | b'\n'))
        .map_or(&body[..0], |last| &body[..=last]);
    let unix = replace(body, b"\r\n", b"\n");
    let windows = replace(&unix, b"\n", b"\r\n");
    vec![
        (
            Newline,
            "without the line end at the end of the body",
            Some(stripped.to_vec()),
        ),
        (
            Newline,
            "with a line end after the body",
            Some([body, b"\n"].concat()),
        ),
        (
            Newline,
            "without the white space around the body",
            Some(body.trim_ascii().to_vec()),
        ),
        (LineEnds, "with LF where the body has CRLF", Some(unix)),
        (LineEnds, "with CRLF where the body has LF", Some(windows)),
    ]
}

/// The same JSON, as other programs write it.
fn json(body: &[u8]) -> Vec<Change> {
    let compact = respace(body, Spacing::Compact);
    let spaced = respace(body, Spacing::Spaced);
    let sorted = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| serde_json::to_vec(&value).ok());
    let sorted_spaced = sorted
        .as_deref()
        .and_then(|json| respace(json, Spacing::Spaced));
    let compact_ascii = compact.as_deref().and_then(ascii);
    let spaced_ascii = spaced.as_deref().and_then(ascii);
    let slashes = compact.as_deref().map(|json| replace(json, b"/", b"\\/"));
    [
        ("as JSON without spaces", compact),
        (
            "as JSON with a space after each comma and colon (Python's default)",
            spaced,
        ),
        (
            "as JSON indented by two spaces",
            respace(body, Spacing::Indented(2)),
        ),
        (
            "as JSON indented by four spaces",
            respace(body, Spacing::Indented(4)),
        ),
        (
            "as JSON with sorted keys and a space after each comma and colon",
            sorted_spaced,
        ),
        ("as JSON with sorted keys, without spaces", sorted),
        (
            "as JSON without spaces, with letters beyond ASCII escaped",
            compact_ascii,
        ),
        (
            "as JSON with spaces, with letters beyond ASCII escaped (Python's default)",
            spaced_ascii,
        ),
        ("as JSON with slashes escaped (PHP's default)", slashes),
    ]
    .map(|(text, changed)| (FindingKind::Reserialised, text, changed))
    .into()
}

/// Characters that some JSON writers escape in addition; nothing for a body that was not rewritten.
fn escapes(single: &BodyVariant) -> Vec<Change> {
    if single.kind != FindingKind::Reserialised {
        return Vec::new();
    }
    vec![
        (
            FindingKind::Reserialised,
            "with letters beyond ASCII escaped",
            ascii(&single.body),
        ),
        (
            FindingKind::Reserialised,
            "with slashes escaped",
            Some(replace(&single.body, b"/", b"\\/")),
        ),
    ]
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

/// What comes before the body in the signed content; the right variant first.
pub(super) fn prefixes(preset: Preset, claims: &Claims) -> Vec<(Option<String>, Vec<u8>)> {
    let time = claims.timestamp.as_deref().unwrap_or_default();
    let id = &claims.id;
    let content = preset.scheme().content.iter();
    let before: Vec<Part> = content
        .copied()
        .take_while(|part| *part != Part::Body)
        .collect();
    let right: String = before
        .iter()
        .map(|part| match part {
            Part::Text(text) => text,
            Part::Id => id.as_str(),
            Part::Timestamp => time,
            Part::Body | Part::Url | Part::Fields => "",
        })
        .collect();
    let mut prefixes = vec![(None, right.clone().into_bytes())];
    let mut mistake = |text: String, prefix: String| {
        if prefix != right {
            prefixes.push((Some(text), prefix.into_bytes()));
        }
    };
    let joined = "timestamp and body are joined by";
    match before.as_slice() {
        [] => {}
        [Part::Id, ..] => {
            mistake(
                "the body alone is signed, without id and timestamp".into(),
                String::new(),
            );
            mistake(
                "timestamp and body are signed, without the id".into(),
                format!("{time}."),
            );
            mistake(
                "id and body are signed, without the timestamp".into(),
                format!("{id}."),
            );
            mistake(
                "timestamp and id are signed in the wrong order".into(),
                format!("{time}.{id}."),
            );
        }
        [Part::Text(lead), ..] => {
            let without = format!("without {lead:?}");
            mistake(
                format!("the body alone is signed, {without} and the timestamp"),
                String::new(),
            );
            mistake(
                format!("timestamp and body are signed, {without}"),
                format!("{time}:"),
            );
            mistake(format!("{joined} a dot"), format!("{time}."));
        }
        _ => {
            mistake(
                "the body alone is signed, without the timestamp".into(),
                String::new(),
            );
            mistake(format!("{joined} a dot"), format!("{time}."));
            mistake(format!("{joined} a colon"), format!("{time}:"));
            mistake(format!("{joined} nothing"), time.to_owned());
        }
    }
    prefixes
}
