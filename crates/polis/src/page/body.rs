//! The views of a request, one tab each; only the open one is rendered.

use std::fmt::Write;

use super::multipart;
use crate::{
    content::{Content, is_meant_as_json, media_type},
    json_text::{Spacing, respace},
    record::Record,
    redact::Redactor,
    terminal::size,
};

/// How much of a body is shown as text; the rest can be downloaded.
const TEXT_BYTES: usize = 256 * 1024;
/// How much of a body is shown in hex.
const HEX_BYTES: usize = 4 * 1024;
/// Bytes per line of hex.
const HEX_LINE: usize = 16;

/// Images that browsers show without running anything, with their media types and first bytes.
const IMAGES: [(&str, &[u8]); 4] = [
    ("image/png", b"\x89PNG"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF8"),
    ("image/webp", b"RIFF"),
];

/// A link to a tab.
pub(super) struct Tab {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
}

/// The open tab.
#[derive(Default)]
pub(super) struct View {
    pub(super) name: &'static str,
    /// What is wrong or not shown; empty if nothing.
    pub(super) problem: String,
    pub(super) text: String,
    /// The piece at which the text stops being JSON, and the rest after it; empty if there is none.
    pub(super) wrong: String,
    pub(super) rest: String,
    /// Whether the text is JSON, which is coloured and folded.
    pub(super) is_json: bool,
    pub(super) pairs: Vec<(String, String)>,
    /// Head and content of each part.
    pub(super) parts: Vec<(String, String)>,
}

/// The media type of a body that is an image, judged by its bytes as well.
pub(super) fn image(record: &Record) -> Option<&'static str> {
    let kind = media_type(record.head.as_ref()?);
    let known = IMAGES.iter().find(|(name, _)| *name == kind)?;
    record.body.starts_with(known.1).then_some(known.0)
}

/// The tabs of a request.
pub(super) fn tabs(record: &Record) -> Vec<Tab> {
    let has_query = record.target().contains('?');
    let is_text = !matches!(
        record.content,
        Content::None | Content::Binary | Content::Compressed
    );
    let all = [
        ("image", "Image", image(record).is_some()),
        ("form", "Form", record.content == Content::Form),
        ("parts", "Parts", record.content == Content::Multipart),
        ("body", "Body", is_text),
        ("headers", "Headers", true),
        ("query", "Query", has_query),
        ("answer", "Answer sent", true),
        ("raw", "Raw", true),
        ("hex", "Hex", true),
    ];
    let there = all.into_iter().filter(|(.., is_there)| *is_there);
    there.map(|(name, title, _)| Tab { name, title }).collect()
}

impl View {
    /// The tab with this name, else the first one.
    pub(super) fn of(record: &Record, redactor: &Redactor, asked: Option<&str>) -> Self {
        let tabs = tabs(record);
        let named = tabs.iter().find(|tab| Some(tab.name) == asked);
        let name = named.or(tabs.first()).map_or("headers", |tab| tab.name);
        // If it could not be read as a request, its bytes are all there is to see.
        let unread = redactor.lines(&record.first_bytes);
        let body = match record.head {
            Some(_) => &record.body[..],
            None => &unread[..],
        };
        let text = |bytes: &[u8]| {
            let shown = &bytes[..bytes.len().min(TEXT_BYTES)];
            redactor
                .text(&visible(&String::from_utf8_lossy(shown)))
                .into_owned()
        };
        let pairs = |bytes: &[u8]| {
            form_urlencoded::parse(bytes)
                .map(|(name, value)| (name.into_owned(), redactor.text(&value).into_owned()))
                .collect()
        };
        let mut view = Self {
            name,
            problem: cut(record, body.len()),
            ..Self::default()
        };
        match name {
            "body" => match pretty(record, body) {
                Ok(Some(json)) => {
                    view.text = text(&json);
                    view.is_json = true;
                }
                Ok(None) => view.text = text(body),
                Err(error) => {
                    let at = place(body, &error);
                    view.problem = format!("This is not JSON: {error}.");
                    view.text = text(&body[..at]);
                    view.wrong = text(body.get(at..=at).unwrap_or_default());
                    view.rest = text(body.get(at + 1..).unwrap_or_default());
                }
            },
            "form" => view.pairs = pairs(&body[..body.len().min(TEXT_BYTES)]),
            "query" => {
                let target = record.target();
                let query = target.split_once('?').map_or("", |(_, query)| query);
                view.pairs = pairs(query.as_bytes());
            }
            "parts" => {
                let head = record.head.as_ref();
                let parts = head.map_or_else(Vec::new, |head| multipart::parts_of(head, body));
                let parts = parts.into_iter();
                view.parts = parts.map(|part| (part.headers, text(part.body))).collect();
            }
            "raw" => view.text = text(body),
            "hex" => view.text = hex_lines(body),
            // Headers and answer are rendered with the request.
            _ => view.problem.clear(),
        }
        view
    }
}

/// The JSON indented; `None` if the body is something else.
///
/// # Errors
/// The place where a body that is meant as JSON stops being JSON.
fn pretty(record: &Record, body: &[u8]) -> serde_json::Result<Option<Vec<u8>>> {
    match (&record.head, record.content) {
        (_, Content::Json) if body.len() <= TEXT_BYTES => Ok(respace(body, Spacing::Indented(2))),
        (Some(head), Content::Text) if is_meant_as_json(head, body) => {
            serde_json::from_slice::<serde::de::IgnoredAny>(body).map(|_| None)
        }
        _ => Ok(None),
    }
}

/// The byte position of an error's line and column, both counted from 1.
fn place(body: &[u8], error: &serde_json::Error) -> usize {
    let before = body.split_inclusive(|byte| *byte == b'\n');
    let line: usize = before
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (line + error.column().saturating_sub(1)).min(body.len())
}

/// Which part of a body is not shown; empty if all is shown.
fn cut(record: &Record, bytes: usize) -> String {
    let kept = size(bytes as u64);
    match (record.body_cut, bytes > TEXT_BYTES) {
        (true, _) => format!("more came than the {kept} that were kept"),
        (false, true) => format!("{} of {kept} are shown", size(TEXT_BYTES as u64)),
        (false, false) => String::new(),
    }
}

/// Replaces control characters, except line ends and tabs, with visible symbols.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            // Marks that change the text's direction could make it look like other text.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

fn hex_lines(body: &[u8]) -> String {
    let mut lines = String::new();
    for (index, line) in body[..body.len().min(HEX_BYTES)]
        .chunks(HEX_LINE)
        .enumerate()
    {
        let _ = write!(lines, "{:08x} ", index * HEX_LINE);
        for place in 0..HEX_LINE {
            match line.get(place) {
                Some(byte) => {
                    let _ = write!(lines, " {byte:02x}");
                }
                None => lines.push_str("   "),
            }
        }
        lines.push_str("  ");
        lines.extend(line.iter().map(|byte| {
            if (0x20..0x7f).contains(byte) {
                char::from(*byte)
            } else {
                '.'
            }
        }));
        lines.push('\n');
    }
    if body.len() > HEX_BYTES {
        let _ = writeln!(lines, "… {} in all", size(body.len() as u64));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_shows_offset_bytes_and_letters() {
        let lines = hex_lines(b"{\"a\":1}\r\n\0 and so on");
        assert!(
            lines.starts_with(
                "00000000  7b 22 61 22 3a 31 7d 0d 0a 00 20 61 6e 64 20 73  {\"a\":1}... and s\n"
            ),
            "{lines}"
        );
    }

    #[test]
    fn control_characters_are_seen_and_text_is_not_turned_around() {
        assert_eq!(
            visible("a\r\n\u{1b}[31m\u{202e}b"),
            "a\u{240d}\n\u{241b}[31m\u{fffd}b"
        );
    }
}
