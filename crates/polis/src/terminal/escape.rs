//! Makes foreign text harmless for a terminal: nothing in it can move the cursor, set colours
//! or change the reading direction.

use std::{borrow::Cow, fmt::Write};

/// One line of text with every control character written out.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, false)
}

/// Several lines of text: line ends and tabs stay.
pub(crate) fn escaped_lines(text: &str) -> Cow<'_, str> {
    escape(text, true)
}

fn escape(text: &str, lines: bool) -> Cow<'_, str> {
    let stays = |letter: char| !is_harmful(letter) || (lines && matches!(letter, '\n' | '\t'));
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        // Writing to a String does not fail.
        let _ = match letter {
            letter if stays(letter) => safe.write_char(letter),
            '\n' => safe.write_str("\\n"),
            '\r' => safe.write_str("\\r"),
            '\t' => safe.write_str("\\t"),
            letter if u32::from(letter) < 0x100 => write!(safe, "\\x{:02x}", u32::from(letter)),
            letter => write!(safe, "\\u{{{:x}}}", u32::from(letter)),
        };
    }
    Cow::Owned(safe)
}

/// Bytes as one line of text; what is not UTF-8 is written as `\xff`.
pub(crate) fn escaped_bytes(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        safe.push_str(&escaped(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(safe, "\\x{byte:02x}");
        }
    }
    safe
}

/// Whether a terminal might obey this character instead of showing it.
pub(crate) fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{feff}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(escaped("a\u{1b}[31mb\r\n"), "a\\x1b[31mb\\r\\n");
        assert_eq!(escaped("\u{9b}31m"), "\\x9b31m");
        assert_eq!(escaped("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(escaped("grün ✓"), "grün ✓");
        assert_eq!(escaped_lines("a\n\tb\r\u{7}"), "a\n\tb\\r\\x07");
        assert_eq!(escaped_bytes(b"a\xff\x1bb"), "a\\xff\\x1bb");
    }
}
