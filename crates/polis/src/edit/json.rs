//! Finds a value in a JSON text, and replaces it.

use std::ops::Range;

use super::place::{Place, PlaceError};
use crate::json_text::{Kind, Token, tokens};

/// The text with the value at this place replaced. If a name repeats, the last member is changed,
/// because most readers use the last. A name that is missing in an object becomes its last member,
/// spaced like the one before. The caller has checked that the text is JSON.
///
/// # Errors
/// [`PlaceError`] names the place and what was found there.
pub(super) fn set(json: &[u8], place: &Place, value: &str) -> Result<Vec<u8>, PlaceError> {
    let tokens = tokens(json).unwrap_or_default();
    let mut at = 0;
    for (index, step) in place.steps().iter().enumerate() {
        let Some(token) = tokens.get(at).filter(|token| token.opens()) else {
            return Err(PlaceError::NotInside {
                place: place.first(index),
                found: kind(tokens.get(at).map(|token| json[token.at.start])),
                step: step.clone(),
            });
        };
        let values = values(&tokens, at);
        if token.is(b'{') {
            let is_it = |value: &&usize| {
                let name = &json[tokens[**value - 2].at.clone()];
                serde_json::from_slice::<String>(name).is_ok_and(|name| name == *step)
            };
            at = match values.iter().rev().find(is_it) {
                Some(value) => *value,
                None if index + 1 < place.steps().len() => {
                    return Err(PlaceError::Missing(place.first(index + 1)));
                }
                None => {
                    let (end, member) = member(json, &tokens, (at, &values), step);
                    return Ok(spliced(
                        json,
                        end..end,
                        &[&member, value.as_bytes()].concat(),
                    ));
                }
            };
        } else {
            let is_number = step.bytes().all(|byte| byte.is_ascii_digit());
            let item = step.parse::<usize>().ok().filter(|_| is_number);
            at = *item
                .and_then(|item| values.get(item))
                .ok_or_else(|| PlaceError::NotItem {
                    place: place.first(index),
                    count: values.len(),
                    step: step.clone(),
                })?;
        }
    }
    let end = tokens[behind(&tokens, at) - 1].at.end;
    Ok(spliced(json, tokens[at].at.start..end, value.as_bytes()))
}

fn spliced(json: &[u8], place: Range<usize>, new: &[u8]) -> Vec<u8> {
    [&json[..place.start], new, &json[place.end..]].concat()
}

fn kind(first: Option<u8>) -> &'static str {
    match first {
        Some(b'"') => "a string",
        Some(b't') => "true",
        Some(b'f') => "false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The token after the value that begins at this one.
fn behind(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    let end = tokens[start..].iter().position(|token| {
        depth += usize::from(token.opens());
        depth -= usize::from(token.closes());
        depth == 0
    });
    end.map_or(tokens.len(), |length| start + length + 1)
}

/// The tokens at which the values inside the object or list at this one begin.
fn values(tokens: &[Token], start: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = start + 1;
    while !tokens[at].closes() {
        let is_name = tokens[at].kind == Kind::Text && tokens[at + 1].is(b':');
        at += if is_name { 2 } else { 0 };
        found.push(at);
        at = behind(tokens, at);
        at += usize::from(tokens[at].is(b','));
    }
    found
}

/// Where a new member of an object goes, and its name with what separates it from the previous
/// one.
fn member(
    json: &[u8],
    tokens: &[Token],
    (object, values): (usize, &[usize]),
    name: &str,
) -> (usize, Vec<u8>) {
    let name = serde_json::Value::from(name).to_string().into_bytes();
    let begin = tokens[object].at.end;
    let Some(last) = values.last() else {
        let space = json[begin..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace());
        return (begin + space.count(), [&name[..], b":"].concat());
    };
    let end = |value: usize| tokens[behind(tokens, value) - 1].at.end;
    let colon = &json[tokens[last - 2].at.end..tokens[*last].at.start];
    let separator = match values.iter().rev().nth(1) {
        Some(before) => json[end(*before)..tokens[last - 2].at.start].to_vec(),
        None => {
            // With one member there is no comma to copy. What comes before its name also comes between
            // members; in `{"a": 1}` it is the space after the colon.
            let after_colon = colon.rsplit(|byte| *byte == b':').next();
            let space = match &json[begin..tokens[last - 2].at.start] {
                [] => after_colon.unwrap_or_default(),
                space => space,
            };
            [b",", space].concat()
        }
    };
    (end(*last), [&separator, &name[..], colon].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(json: &str, place: &str, value: &str) -> String {
        let changed = set(json.as_bytes(), &Place::parse(place).unwrap(), value).unwrap();
        String::from_utf8(changed).unwrap()
    }

    fn refused(json: &str, place: &str) -> String {
        set(json.as_bytes(), &Place::parse(place).unwrap(), "1")
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_byte_but_the_values_own_stays() {
        let json = "\r\n{ \"z\" : 1.0,\n\t\"data\":{\"n\": 1e5 ,\"t\":\"\\u00e9 \\\" },\\\\\"},\"a\":[ [1], {\"x\":-0} ,true]}\n";
        assert_eq!(after(json, "z", "1"), json.replace("1.0", "1"));
        assert_eq!(after(json, "data.n", "\"}\""), json.replace("1e5", "\"}\""));
        let text = "\"\\u00e9 \\\" },\\\\\"";
        assert_eq!(after(json, "data.t", "null"), json.replace(text, "null"));
        assert_eq!(after(json, "a.0", "{}"), json.replace("[1]", "{}"));
        assert_eq!(after(json, "a.1.x", "0.0"), json.replace("-0", "0.0"));
        assert_eq!(after(json, "a.2", "false"), json.replace("true", "false"));
        assert_eq!(after("[1,2]", "1", "3"), "[1,3]");
    }

    #[test]
    fn a_name_is_found_however_it_is_spelled_and_the_last_one_counts() {
        let json = r#"{"a":1,"\u0061":{"b":2},"a":{"b":3},"c":4}"#;
        assert_eq!(
            after(json, "a.b", "9"),
            r#"{"a":1,"\u0061":{"b":2},"a":{"b":9},"c":4}"#
        );
        assert_eq!(
            after(r#"{"\u0061":1,"b":2}"#, "a", "9"),
            r#"{"\u0061":9,"b":2}"#
        );
        assert_eq!(after(r#"{"":{"":1}}"#, ".", "2"), r#"{"":{"":2}}"#);
    }

    #[test]
    fn a_dot_in_a_name_is_written_with_a_backslash() {
        let json = r#"{"a.b":{"c\\":1},"a":{"b":2}}"#;
        assert_eq!(
            after(json, r"a\.b.c\", "9"),
            r#"{"a.b":{"c\\":9},"a":{"b":2}}"#
        );
        assert_eq!(
            after(json, r"a\.b.c\\", "9"),
            r#"{"a.b":{"c\\":9},"a":{"b":2}}"#
        );
        assert_eq!(after(json, "a.b", "9"), r#"{"a.b":{"c\\":1},"a":{"b":9}}"#);
    }

    #[test]
    fn a_name_that_is_missing_becomes_the_last_member_spaced_like_the_one_before() {
        for (json, expected) in [
            (r#"{"a":1}"#, r#"{"a":1,"n\"":7}"#),
            (r#"{"a": 1}"#, r#"{"a": 1, "n\"": 7}"#),
            (r#"{ "a": 1 }"#, r#"{ "a": 1, "n\"": 7 }"#),
            (r#"{"a":1 , "b" : 2}"#, r#"{"a":1 , "b" : 2 , "n\"" : 7}"#),
            ("{\n  \"a\": 1\n}\n", "{\n  \"a\": 1,\n  \"n\\\"\": 7\n}\n"),
            (
                "{\n  \"a\": 1,\n  \"b\": {}\n}",
                "{\n  \"a\": 1,\n  \"b\": {},\n  \"n\\\"\": 7\n}",
            ),
            ("{}", r#"{"n\"":7}"#),
            ("{ }", r#"{ "n\"":7}"#),
        ] {
            assert_eq!(after(json, "n\"", "7"), expected);
        }
        assert_eq!(
            after(r#"[{"a":{"b":[]}}]"#, "0.a.c", "1"),
            r#"[{"a":{"b":[],"c":1}}]"#
        );
    }

    #[test]
    fn what_is_in_the_way_is_named_with_its_place() {
        let json = r#"{"data":863,"text":"x","items":[1,{"a":null}]}"#;
        assert_eq!(
            refused(json, "data.x"),
            "body.data is a number, which has no \"x\" in it"
        );
        assert_eq!(
            refused(json, "text.x.y"),
            "body.text is a string, which has no \"x\" in it"
        );
        assert_eq!(
            refused(json, "items.1.a.b"),
            "body.items.1.a is null, which has no \"b\" in it"
        );
        assert_eq!(
            refused(json, "more.text"),
            "there is no body.more; set it together with its content"
        );
        for step in ["2", "-1", "+1", "x", ""] {
            assert_eq!(
                refused(json, &format!("items.{step}")),
                format!(
                    "body.items is a list of length 2; it has no item {step:?}, counted from 0"
                )
            );
        }
        assert_eq!(
            refused("7", "x"),
            "body is a number, which has no \"x\" in it"
        );
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!(
            "{{\"a\":{}1{},\"b\":2}}",
            "[".repeat(1 << 20),
            "]".repeat(1 << 20)
        );
        assert!(after(&deep, "b", "3").ends_with("\"b\":3}"));
        assert!(after(&deep, "a", "3").starts_with("{\"a\":3,"));
    }
}
