//! Where a value stands in a JSON text, found without reading the text into values.
//!
//! The text was checked to be JSON before; the scanner only follows it, without recursion, so
//! that depth costs no stack.

use std::ops::Range;

use super::place::{Place, PlaceError};

/// The text with the value at this place replaced, in the last member when a name repeats, as
/// most readers believe the last. A name that is missing in an object becomes its last member,
/// spaced like the one before.
///
/// # Errors
/// [`PlaceError`] names the place and what was found there.
pub(super) fn set(json: &[u8], place: &Place, value: &str) -> Result<Vec<u8>, PlaceError> {
    let mut scan = Scan { json, at: 0 };
    for (index, step) in place.steps().iter().enumerate() {
        scan.space();
        match scan.peek() {
            Some(b'{') => match scan.member(step) {
                Ok(found) => scan.at = found.start,
                Err(end) if index + 1 == place.steps().len() => {
                    let member = end.member(json, step, value);
                    return Ok(spliced(json, end.at..end.at, &member));
                }
                Err(_) => return Err(PlaceError::Missing(place.first(index + 1))),
            },
            Some(b'[') => match scan.item(step) {
                Ok(found) => scan.at = found.start,
                Err(count) => {
                    return Err(PlaceError::NotItem {
                        place: place.first(index),
                        count,
                        step: step.clone(),
                    });
                }
            },
            other => {
                return Err(PlaceError::NotInside {
                    place: place.first(index),
                    found: kind(other),
                    step: step.clone(),
                });
            }
        }
    }
    let found = scan.value();
    Ok(spliced(json, found, value.as_bytes()))
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

/// A name and its value as they stand.
#[derive(Clone)]
struct Member {
    name: Range<usize>,
    value: Range<usize>,
}

/// The end of an object, and what its last members look like.
struct End {
    /// Where a further member goes.
    at: usize,
    /// Behind the opening brace.
    begin: usize,
    before_last: Option<Member>,
    last: Option<Member>,
}

impl End {
    /// A further member, with what separates it from the one before.
    fn member(&self, json: &[u8], name: &str, value: &str) -> Vec<u8> {
        let name = serde_json::Value::from(name).to_string();
        let Some(last) = &self.last else {
            return format!("{name}:{value}").into_bytes();
        };
        let colon = &json[last.name.end..last.value.start];
        let separator = match &self.before_last {
            Some(before) => json[before.value.end..last.name.start].to_vec(),
            None => {
                // One member shows no comma. What stands before its name also stands between
                // members; in `{"a": 1}` it is the space after the colon.
                let before_name = &json[self.begin..last.name.start];
                let after_colon = colon.rsplit(|byte| *byte == b':').next();
                let space = match before_name {
                    [] => after_colon.unwrap_or_default(),
                    space => space,
                };
                [b",", space].concat()
            }
        };
        [&separator, name.as_bytes(), colon, value.as_bytes()].concat()
    }
}

/// A position in a JSON text.
struct Scan<'a> {
    json: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    /// Passes these bytes.
    fn pass(&mut self, passed: &[u8]) {
        while self.peek().is_some_and(|byte| passed.contains(&byte)) {
            self.at += 1;
        }
    }

    fn space(&mut self) {
        self.pass(b" \t\r\n");
    }

    /// Passes a string with its quotes.
    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        self.at = self.at.min(self.json.len());
        start..self.at
    }

    /// Passes a value, whatever is inside.
    fn value(&mut self) -> Range<usize> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b'"' => {
                    self.string();
                }
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    while self
                        .peek()
                        .is_some_and(|b| !b" \t\r\n,:{}[]\"".contains(&b))
                    {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                break;
            }
        }
        start..self.at
    }

    /// The value of the last member of this name in the object here, else the object's end.
    fn member(&mut self, name: &str) -> Result<Range<usize>, End> {
        self.at += 1;
        let begin = self.at;
        let mut found = None;
        let (mut before_last, mut last) = (None, None);
        loop {
            self.pass(b" \t\r\n,");
            if self.peek() != Some(b'"') {
                break;
            }
            let member_name = self.string();
            self.pass(b" \t\r\n:");
            let member = Member {
                value: self.value(),
                name: member_name,
            };
            let given = serde_json::from_slice::<String>(&self.json[member.name.clone()]);
            if given.is_ok_and(|given| given == name) {
                found = Some(member.value.clone());
            }
            before_last = last.replace(member);
        }
        found.ok_or(End {
            at: last
                .as_ref()
                .map_or(self.at, |last: &Member| last.value.end),
            begin,
            before_last,
            last,
        })
    }

    /// The item with this number in the list here, else how many there are.
    fn item(&mut self, number: &str) -> Result<Range<usize>, usize> {
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let wanted: Option<usize> = number.parse().ok().filter(|_| is_number);
        self.at += 1;
        let mut count = 0;
        loop {
            self.pass(b" \t\r\n,");
            if matches!(self.peek(), None | Some(b']')) {
                return Err(count);
            }
            let item = self.value();
            if wanted == Some(count) {
                return Ok(item);
            }
            count += 1;
        }
    }
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
