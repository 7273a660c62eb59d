//! A body as text, pretty, in hex, as a form, in parts.

use std::fmt::Write;

use super::multipart;
use crate::{
    content::{Content, is_meant_as_json},
    json_text::{Spacing, respace},
    record::Record,
    redact::Redactor,
    terminal::size,
};

/// What of a body is shown as text; the rest can be downloaded.
const TEXT_BYTES: usize = 256 * 1024;
/// What of a body is shown in hex.
const HEX_BYTES: usize = 4 * 1024;
/// Bytes in a line of hex.
const HEX_LINE: usize = 16;

/// The views of one body; an empty one has no tab.
pub(super) struct BodyViews {
    pub(super) pretty: String,
    /// Why a body that is meant as JSON is none, with line and column; or empty.
    pub(super) not_json: String,
    pub(super) raw: String,
    pub(super) hex: String,
    pub(super) form: Vec<(String, String)>,
    pub(super) parts: Vec<(String, String)>,
    /// What is not shown, or empty.
    pub(super) cut: String,
}

impl BodyViews {
    pub(super) fn of(record: &Record, redactor: &Redactor) -> Self {
        // Of what could not be read as a request its bytes are all there is to see.
        let unread = redactor.lines(&record.first_bytes);
        let body = match record.head {
            Some(_) => &record.body[..],
            None => &unread[..],
        };
        let shown = &body[..body.len().min(TEXT_BYTES)];
        let text = |bytes: &[u8]| {
            redactor
                .text(&visible(&String::from_utf8_lossy(bytes)))
                .into_owned()
        };
        let pretty = match record.content {
            Content::Json if body.len() <= TEXT_BYTES => respace(body, Spacing::Indented(2))
                .map(|bytes| text(&bytes))
                .unwrap_or_default(),
            Content::Binary | Content::Compressed => String::new(),
            _ => text(shown),
        };
        let not_json = match (&record.head, record.content) {
            (Some(head), Content::Text) if is_meant_as_json(head, body) => {
                let read = serde_json::from_slice::<serde::de::IgnoredAny>(body);
                read.err()
                    .map(|error| format!("This is not JSON: {error}."))
                    .unwrap_or_default()
            }
            _ => String::new(),
        };
        let form = match record.content {
            Content::Form => form_urlencoded::parse(shown)
                .map(|(name, value)| (name.into_owned(), redactor.text(&value).into_owned()))
                .collect(),
            _ => Vec::new(),
        };
        let parts = match (&record.head, record.content) {
            (Some(head), Content::Multipart) => multipart::parts_of(head, body)
                .into_iter()
                .map(|part| {
                    let shown = &part.body[..part.body.len().min(TEXT_BYTES)];
                    (part.headers, text(shown))
                })
                .collect(),
            _ => Vec::new(),
        };
        let cut = match (record.body_cut, body.len() > TEXT_BYTES) {
            (true, _) => format!(
                "more came than the {} that were kept",
                size(body.len() as u64)
            ),
            (false, true) => format!(
                "{} of {} are shown",
                size(TEXT_BYTES as u64),
                size(body.len() as u64)
            ),
            (false, false) => String::new(),
        };
        Self {
            pretty,
            not_json,
            raw: text(shown),
            hex: hex_lines(body),
            form,
            parts,
            cut,
        }
    }
}

/// Control characters other than line ends and tabs as pictures, so that they can be seen.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            // Marks that turn text around would let it pretend to be other text.
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
