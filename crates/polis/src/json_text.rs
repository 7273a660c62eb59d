//! JSON as it is written: its tokens with their places, and the same JSON with other spacing. It
//! is not parsed into values, so that order, numbers and escapes stay.

use std::ops::Range;

/// How JSON is spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// No space outside strings.
    Compact,
    /// `, ` and `: `, as Python writes by default.
    Spaced,
    /// One entry per line, indented by this many spaces.
    Indented(usize),
}

/// The kind of a piece of JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of `{ } [ ] , :`
    Mark(u8),
    /// A string with its quotes.
    Text,
    /// A number, `true`, `false` or `null`.
    Word,
}

/// A piece of JSON text and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) at: Range<usize>,
}

impl Token {
    pub(crate) fn is(&self, mark: u8) -> bool {
        self.kind == Kind::Mark(mark)
    }

    /// Whether an object or a list begins here.
    pub(crate) fn opens(&self) -> bool {
        self.is(b'{') || self.is(b'[')
    }

    pub(crate) fn closes(&self) -> bool {
        self.is(b'}') || self.is(b']')
    }
}

/// The tokens of a JSON text in order; `None` when it is not JSON.
pub(crate) fn tokens(json: &[u8]) -> Option<Vec<Token>> {
    serde_json::from_slice::<serde::de::IgnoredAny>(json).ok()?;
    let mut tokens = Vec::new();
    let mut position = 0;
    while let Some(&byte) = json.get(position) {
        let start = position;
        position += 1;
        let kind = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'{' | b'}' | b'[' | b']' | b',' | b':' => Kind::Mark(byte),
            b'"' => {
                while json[position] != b'"' {
                    position += if json[position] == b'\\' { 2 } else { 1 };
                }
                position += 1;
                Kind::Text
            }
            _ => {
                let rest = json[position..].iter();
                position += rest
                    .take_while(|byte| !b" \t\r\n{}[],:\"".contains(byte))
                    .count();
                Kind::Word
            }
        };
        let at = start..position;
        tokens.push(Token { kind, at });
    }
    Some(tokens)
}

/// The space that this spacing puts after each token.
pub(crate) fn spaces(tokens: &[Token], spacing: Spacing) -> Vec<&'static str> {
    /// Deeper levels are not indented further: otherwise the indentation would outgrow the text.
    const INDENT: &str = "\n                                                                ";
    let mut depth = 0_usize;
    let behind = |(index, token): (usize, &Token)| {
        let closes_next = tokens.get(index + 1).is_some_and(Token::closes);
        depth = match token.kind {
            _ if token.opens() => depth + 1,
            _ if token.closes() => depth.saturating_sub(1),
            _ => depth,
        };
        match spacing {
            Spacing::Indented(_) | Spacing::Spaced if token.is(b':') => " ",
            Spacing::Spaced if token.is(b',') => " ",
            Spacing::Indented(_) if token.opens() && closes_next => "",
            Spacing::Indented(width) if closes_next => {
                &INDENT[..=(depth.saturating_sub(1) * width).min(64)]
            }
            Spacing::Indented(width) if token.opens() || token.is(b',') => {
                &INDENT[..=(depth * width).min(64)]
            }
            _ => "",
        }
    };
    tokens.iter().enumerate().map(behind).collect()
}

/// The same JSON with another spacing; `None` when the text is not JSON.
pub(crate) fn respace(json: &[u8], spacing: Spacing) -> Option<Vec<u8>> {
    let tokens = tokens(json)?;
    let mut text = Vec::with_capacity(json.len());
    for (token, space) in tokens.iter().zip(spaces(&tokens, spacing)) {
        text.extend_from_slice(&json[token.at.clone()]);
        text.extend_from_slice(space.as_bytes());
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str, spacing: Spacing) -> String {
        String::from_utf8(respace(json.as_bytes(), spacing).unwrap()).unwrap()
    }

    #[test]
    fn order_numbers_and_escapes_stay() {
        let json = "{ \"b\" : 1.0,\"a\":[1e5 , \"\\u00e9 \\\" ,\"],\"c\":{ } }";
        assert_eq!(
            text(json, Spacing::Compact),
            "{\"b\":1.0,\"a\":[1e5,\"\\u00e9 \\\" ,\"],\"c\":{}}"
        );
        assert_eq!(
            text(json, Spacing::Spaced),
            "{\"b\": 1.0, \"a\": [1e5, \"\\u00e9 \\\" ,\"], \"c\": {}}"
        );
        assert_eq!(
            text(json, Spacing::Indented(2)),
            "{\n  \"b\": 1.0,\n  \"a\": [\n    1e5,\n    \"\\u00e9 \\\" ,\"\n  ],\n  \"c\": {}\n}"
        );
    }

    #[test]
    fn other_texts_are_refused() {
        assert!(respace(b"{\"a\":}", Spacing::Compact).is_none());
        assert!(respace(b"", Spacing::Compact).is_none());
    }

    #[test]
    fn indenting_agrees_with_serde() {
        let json = r#"{"a":[1,2,{"b":null}],"c":"x"}"#;
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(
            text(json, Spacing::Indented(2)),
            serde_json::to_string_pretty(&value).unwrap()
        );
    }
}
