//! What a verb writes to stdout, for people or as data; harmless for a terminal either way.

use std::io::{self, IsTerminal, Write};

use bytes::Bytes;
use serde::Serialize;

use super::trouble::Trouble;
use crate::{
    captured::Captured,
    recall,
    terminal::{Human, escaped, escaped_lines, is_harmful},
};

/// Stdout of a verb.
#[derive(Debug)]
pub(super) struct Screen {
    out: io::StdoutLock<'static>,
    is_terminal: bool,
    /// The log's own format; its input is already redacted.
    pub(super) human: Human,
}

impl Screen {
    pub(super) fn new() -> Self {
        let out = io::stdout().lock();
        let is_terminal = out.is_terminal();
        Self {
            out,
            is_terminal,
            human: Human::new(serve::wants_color(is_terminal), None),
        }
    }

    /// Writes out what the log's format wrote, in one piece.
    pub(super) fn put(&mut self, text: &[u8]) -> Result<(), Trouble> {
        self.out.write_all(text)?;
        Ok(self.out.flush()?)
    }

    /// One line of foreign text.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Trouble> {
        self.put(format!("{}\n", escaped(text)).as_bytes())
    }

    /// One line of data.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Trouble> {
        self.put(&json_line(value)?)
    }

    /// Exact bytes; for a terminal they are escaped, with a note that says so.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        if !self.is_terminal {
            return self.put(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        let shown = escaped_lines(&text);
        if shown.as_bytes() != bytes {
            tell(
                "some bytes are escaped for the terminal; redirect the output to get them exactly",
            );
        }
        self.put(shown.as_bytes())
    }

    /// A row of a list: the request, and its answer.
    pub(super) fn row(&mut self, captured: &Captured) -> Result<(), Trouble> {
        let record = recall::record(captured, Bytes::new());
        let mut text = Vec::new();
        self.human.line(&mut text, &record, captured.body.size);
        if let Some(answer) = record.answer() {
            text.extend_from_slice(b"  ");
            self.human.outcome(&mut text, answer);
            self.human.hung_up(&mut text, answer);
        }
        if let Some(problem) = &record.problem {
            text.extend_from_slice(format!("  ! {}", escaped(problem)).as_bytes());
        }
        text.push(b'\n');
        self.put(&text)
    }
}

/// JSON on one line. Its strings have no ASCII control characters; other characters that a
/// terminal might obey are escaped in JSON's way.
pub(super) fn json_line(value: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    let text = serde_json::to_string(value).map_err(io::Error::from)?;
    let mut line = String::with_capacity(text.len() + 1);
    for letter in text.chars() {
        if is_harmful(letter) {
            // All of them have four digits.
            line.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            line.push(letter);
        }
    }
    line.push('\n');
    Ok(line.into_bytes())
}

/// A line for people on stderr.
pub(super) fn tell(text: &str) {
    // If stderr is gone, there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "polis: {}", escaped_lines(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_never_moves_the_cursor_and_stays_json() {
        let line = json_line(&"a\u{1b}[31m \u{9b}31m \u{202e} \u{7f} ü").unwrap();
        let text = String::from_utf8(line).unwrap();
        assert_eq!(text, "\"a\\u001b[31m \\u009b31m \\u202e \\u007f ü\"\n");
        assert_eq!(
            serde_json::from_str::<String>(&text).unwrap(),
            "a\u{1b}[31m \u{9b}31m \u{202e} \u{7f} ü"
        );
    }
}
