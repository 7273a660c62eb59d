//! Where two captured requests differ: line, headers, the body by what it is, and how far they
//! could be read.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::{
    edit::name_in_place,
    record::Record,
    wire::{Head, Version},
};

/// The place of bytes that could not be read as a request; their line follows.
pub(crate) const FIRST_BYTES: &str = "first bytes";

/// One place where they differ; `None` where one has nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// `method`, `header.x-name`, `body.items.0.name`, `body line 3`, `problem`, `first bytes line 2`;
    /// the names of a JSON body as `--set` takes them
    pub(crate) place: String,
    pub(crate) a: Option<String>,
    pub(crate) b: Option<String>,
}

impl Difference {
    fn new(place: impl Into<String>, a: Option<String>, b: Option<String>) -> Self {
        Self {
            place: place.into(),
            a,
            b,
        }
    }
}

/// Every difference, from the request line to the body and to what could not be read.
pub(crate) fn differences(a: &Record, b: &Record) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |place: &str, a: String, b: String| {
        if a != b {
            found.push(Difference::new(place, Some(a), Some(b)));
        }
    };
    compare("method", a.method().to_owned(), b.method().to_owned());
    compare("target", a.target(), b.target());
    compare("version", version(a), version(b));
    headers(a, b, &mut found);
    body(&a.body, &b.body, &mut found);
    lines(
        "trailers",
        &text(&a.trailers),
        &text(&b.trailers),
        &mut found,
    );
    reading(a, b, &mut found);
    found
}

fn version(record: &Record) -> String {
    let version = record.head.as_ref().map(Head::version);
    version.map_or("", Version::as_str).to_owned()
}

/// How far they could be read: the problem, the cut, and the bytes that are no request.
fn reading(a: &Record, b: &Record, found: &mut Vec<Difference>) {
    if a.problem != b.problem {
        let (a, b) = (a.problem.clone(), b.problem.clone());
        found.push(Difference::new("problem", a, b));
    }
    if a.body_cut != b.body_cut {
        let told = |record: &Record| {
            let kept = record.body.len() + record.first_bytes.len();
            Some(match record.body_cut {
                true => format!("cut, {kept} bytes are kept"),
                false => format!("whole, {kept} bytes"),
            })
        };
        found.push(Difference::new("cut", told(a), told(b)));
    }
    let (a, b) = (text(&a.first_bytes), text(&b.first_bytes));
    lines(FIRST_BYTES, &a, &b, found);
}

/// Bytes as lines of text, with what is no text written out.
fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (line, end) = match line.strip_suffix(b"\n") {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        text.push_str(&line.escape_ascii().to_string());
        text.push_str(end);
    }
    text
}

fn headers(a: &Record, b: &Record, found: &mut Vec<Difference>) {
    let names: BTreeSet<String> = a
        .headers()
        .chain(b.headers())
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    for name in names {
        let values = |record: &Record| -> Vec<String> {
            record
                .headers()
                .filter(|(given, _)| given.eq_ignore_ascii_case(&name))
                .map(|(_, value)| value.escape_ascii().to_string())
                .collect()
        };
        let (a, b) = (values(a), values(b));
        for index in 0..a.len().max(b.len()) {
            let (a, b) = (a.get(index), b.get(index));
            if a != b {
                let place = match index {
                    0 => format!("header.{name}"),
                    index => format!("header.{name} ({})", index + 1),
                };
                found.push(Difference::new(place, a.cloned(), b.cloned()));
            }
        }
    }
}

fn body(a: &[u8], b: &[u8], found: &mut Vec<Difference>) {
    if a == b {
        return;
    }
    let json = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    if let (Some(before), Some(after)) = (json(a), json(b)) {
        if before == after {
            let told = |bytes: &[u8]| Some(format!("{} bytes", bytes.len()));
            found.push(Difference::new(
                "body (the same JSON, written another way)",
                told(a),
                told(b),
            ));
        } else {
            values("body", Some(&before), Some(&after), found);
        }
        return;
    }
    if let (Ok(before), Ok(after)) = (std::str::from_utf8(a), std::str::from_utf8(b)) {
        return lines("body", before, after, found);
    }
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let told = |bytes: &[u8]| Some(format!("{} bytes, equal up to byte {same}", bytes.len()));
    found.push(Difference::new("body", told(a), told(b)));
}

fn values(place: &str, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<Difference>) {
    if a == b {
        return;
    }
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let place = format!("{place}.{}", name_in_place(name));
                values(&place, a.get(name), b.get(name), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                let place = format!("{place}.{index}");
                values(&place, a.get(index), b.get(index), found);
            }
        }
        (a, b) => found.push(Difference::new(
            place,
            a.map(Value::to_string),
            b.map(Value::to_string),
        )),
    }
}

/// The lines between the equal ones at the beginning and at the end, side by side.
fn lines(place: &str, a: &str, b: &str, found: &mut Vec<Difference>) {
    if a == b {
        return;
    }
    let split = |text: &str| -> Vec<String> {
        text.split_inclusive('\n')
            .map(|line| line.strip_suffix('\n').unwrap_or(line).to_owned())
            .collect()
    };
    let (a_lines, b_lines) = (split(a), split(b));
    let before = a_lines
        .iter()
        .zip(&b_lines)
        .take_while(|(a, b)| a == b)
        .count();
    let after = a_lines[before..]
        .iter()
        .rev()
        .zip(b_lines[before..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let a_changed = &a_lines[before..a_lines.len() - after];
    let b_changed = &b_lines[before..b_lines.len() - after];
    if a_changed.is_empty() && b_changed.is_empty() {
        let told = |text: &str| Some(format!("{} bytes", text.len()));
        found.push(Difference::new(
            format!("{place} (its last line end)"),
            told(a),
            told(b),
        ));
    }
    for index in 0..a_changed.len().max(b_changed.len()) {
        found.push(Difference::new(
            format!("{place} line {}", before + index + 1),
            a_changed.get(index).cloned(),
            b_changed.get(index).cloned(),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: &str, b: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let mut found = Vec::new();
        body(a.as_bytes(), b.as_bytes(), &mut found);
        found
            .into_iter()
            .map(|difference| (difference.place, difference.a, difference.b))
            .collect()
    }

    fn place(
        place: &str,
        a: Option<&str>,
        b: Option<&str>,
    ) -> (String, Option<String>, Option<String>) {
        (place.into(), a.map(Into::into), b.map(Into::into))
    }

    #[test]
    fn json_is_compared_by_place() {
        assert_eq!(
            of(
                r#"{"a":1,"b":[1,{"c":"x"}],"d":2}"#,
                r#"{"b":[1,{"c":"y"},3],"a":1}"#
            ),
            [
                place("body.b.1.c", Some("\"x\""), Some("\"y\"")),
                place("body.b.2", None, Some("3")),
                place("body.d", Some("2"), None),
            ]
        );
        assert_eq!(
            of(r#"{"a":1}"#, r#"{ "a": 1 }"#),
            [place(
                "body (the same JSON, written another way)",
                Some("7 bytes"),
                Some("10 bytes")
            )]
        );
    }

    #[test]
    fn a_place_in_json_is_written_as_a_change_takes_it() {
        assert_eq!(
            of(r#"{"a.b":1}"#, r#"{"a.b":2}"#),
            [place(r"body.a\.b", Some("1"), Some("2"))]
        );
    }

    #[test]
    fn versions_cuts_problems_and_unreadable_bytes_are_compared() {
        let read = |version: &str| Record {
            head: Some(Head::parse(format!("GET / {version}\r\n\r\n").into()).unwrap()),
            ..Record::empty(1)
        };
        let places = |a: &Record, b: &Record| {
            let found = differences(a, b).into_iter();
            found
                .map(|difference| (difference.place, difference.a, difference.b))
                .collect::<Vec<_>>()
        };
        let old = read("HTTP/1.0");
        let cut = Record {
            problem: Some("it was cut".into()),
            body_cut: true,
            body: "ab".into(),
            trailers: "X: 1\r\n".into(),
            ..read("HTTP/1.0")
        };
        assert_eq!(
            places(&old, &read("HTTP/1.1")),
            [place("version", Some("HTTP/1.0"), Some("HTTP/1.1"))]
        );
        assert_eq!(
            places(&old, &cut),
            [
                place("body line 1", None, Some("ab")),
                place("trailers line 1", None, Some("X: 1\\r")),
                place("problem", None, Some("it was cut")),
                place("cut", Some("whole, 0 bytes"), Some("cut, 2 bytes are kept")),
            ]
        );
        let unreadable = |bytes: &'static [u8]| Record {
            first_bytes: bytes.into(),
            ..Record::empty(1)
        };
        assert_eq!(
            places(
                &unreadable(b"GE\xff\r\nA: 1\r\n"),
                &unreadable(b"GE\xff\r\nA: 2\r\n")
            ),
            [place(
                "first bytes line 2",
                Some("A: 1\\r"),
                Some("A: 2\\r")
            )]
        );
        assert!(places(&cut, &cut).is_empty());
    }

    #[test]
    fn text_is_compared_by_line_and_bytes_by_position() {
        assert_eq!(
            of("a\nb\nc\n", "a\nB\nx\nc\n"),
            [
                place("body line 2", Some("b"), Some("B")),
                place("body line 3", None, Some("x")),
            ]
        );
        assert_eq!(
            of("a\n", "a"),
            [place(
                "body (its last line end)",
                Some("2 bytes"),
                Some("1 bytes")
            )]
        );
        let mut found = Vec::new();
        body(b"ab\xff", b"ab\xfe!", &mut found);
        assert_eq!(found[0].a.as_deref(), Some("3 bytes, equal up to byte 2"));
        assert!(of("x", "x").is_empty());
    }
}
