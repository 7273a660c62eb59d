//! JSON written another way without being understood: order, numbers and escapes stay.

/// How JSON is spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// No space outside of strings.
    Compact,
    /// `, ` and `: `, as Python writes by default.
    Spaced,
    /// One entry a line, indented by this many spaces.
    Indented(usize),
}

/// A piece of JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// One of `{ } [ ] , :`
    Mark(u8),
    /// A string with its quotes.
    Text(&'a [u8]),
    /// A number, `true`, `false` or `null`.
    Word(&'a [u8]),
    /// White space that spacing puts in.
    Space(&'a [u8]),
}

/// The tokens of a JSON text in order, without its white space; `None` when it is not JSON.
fn tokens(json: &[u8]) -> Option<Vec<Token<'_>>> {
    serde_json::from_slice::<serde::de::IgnoredAny>(json).ok()?;
    let mut tokens = Vec::new();
    let mut position = 0;
    while let Some(&byte) = json.get(position) {
        let start = position;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => position += 1,
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                tokens.push(Token::Mark(byte));
                position += 1;
            }
            b'"' => {
                position += 1;
                while json.get(position).is_some_and(|b| *b != b'"') {
                    position += if json[position] == b'\\' { 2 } else { 1 };
                }
                position += 1;
                tokens.push(Token::Text(json.get(start..position)?));
            }
            _ => {
                while json
                    .get(position)
                    .is_some_and(|b| !b" \t\r\n{}[],:\"".contains(b))
                {
                    position += 1;
                }
                tokens.push(Token::Word(&json[start..position]));
            }
        }
    }
    Some(tokens)
}

/// The tokens with this spacing put in; `None` when the text is not JSON.
#[must_use]
pub fn spaced(json: &[u8], spacing: Spacing) -> Option<Vec<Token<'_>>> {
    /// Deeper levels are not indented further: the indent alone would outgrow the text.
    const INDENT: &[u8; 65] = b"\n                                                                ";
    let plain = tokens(json)?;
    let mut all = Vec::with_capacity(plain.len() * 2);
    let mut depth = 0_usize;
    let line = |depth: usize, width: usize| Token::Space(&INDENT[..=(depth * width).min(64)]);
    for (index, token) in plain.iter().enumerate() {
        let next = plain.get(index + 1);
        match (*token, spacing) {
            (Token::Mark(b'{' | b'['), Spacing::Indented(width)) => {
                depth += 1;
                all.push(*token);
                if !matches!(next, Some(Token::Mark(b'}' | b']'))) {
                    all.push(line(depth, width));
                }
            }
            (Token::Mark(b'}' | b']'), Spacing::Indented(width)) => {
                depth = depth.saturating_sub(1);
                if !matches!(
                    index.checked_sub(1).map(|i| plain[i]),
                    Some(Token::Mark(b'{' | b'['))
                ) {
                    all.push(line(depth, width));
                }
                all.push(*token);
            }
            (Token::Mark(b','), Spacing::Indented(width)) => {
                all.push(*token);
                all.push(line(depth, width));
            }
            (Token::Mark(b':'), Spacing::Indented(_) | Spacing::Spaced)
            | (Token::Mark(b','), Spacing::Spaced) => {
                all.push(*token);
                all.push(Token::Space(b" "));
            }
            _ => all.push(*token),
        }
    }
    Some(all)
}

/// The same JSON with another spacing; `None` when the text is not JSON.
#[must_use]
pub fn respace(json: &[u8], spacing: Spacing) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(json.len());
    for token in spaced(json, spacing)? {
        match token {
            Token::Mark(byte) => text.push(byte),
            Token::Text(bytes) | Token::Word(bytes) | Token::Space(bytes) => {
                text.extend_from_slice(bytes);
            }
        }
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
