//! Where two captured requests differ: the request line, the headers, the body according to its
//! kind, and how far they could be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::value::RawValue;
use serve::wire::{Head, Version};
use similar::{Algorithm, DiffTag};

use crate::{
    edit::name_in_place,
    json_text::{Spacing, respace},
    record::Record,
};

/// The place of bytes that could not be read as a request; a line number follows it.
pub(crate) const FIRST_BYTES: &str = "first bytes";

/// JSON that is nested deeper is compared as text from there on.
const DEPTH_MAX: usize = 128;
/// Beyond this, lines are compared more coarsely, because somebody is waiting for the answer.
const DIFF_LIMIT: Duration = Duration::from_millis(500);

/// One place where they differ; `None` if one has nothing there.
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

/// How far they could be read: the problem, the cut, and the bytes that are not a request.
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

/// Bytes as lines of text, with non-text bytes escaped.
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
    let json = |bytes| serde_json::from_slice::<&RawValue>(bytes).ok();
    if let (Some(before), Some(after)) = (json(a), json(b)) {
        let known = found.len();
        values("body", (Some(before), Some(after)), DEPTH_MAX, found);
        if found.len() == known {
            let told = |bytes: &[u8]| Some(format!("{} bytes", bytes.len()));
            found.push(Difference::new(
                "body (the same JSON, written another way)",
                told(a),
                told(b),
            ));
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

/// A JSON value as it is compared: its content, or how it is written.
enum Node<'a> {
    Object(BTreeMap<String, &'a RawValue>),
    List(Vec<&'a RawValue>),
    /// Without its escapes.
    Text(String),
    /// A number of any length, `true`, `false` or `null`.
    Word,
}

impl<'a> Node<'a> {
    fn of(value: &'a RawValue) -> Self {
        let text = value.get();
        let read = match text.as_bytes().first() {
            Some(b'{') => serde_json::from_str(text).map(Self::Object),
            Some(b'[') => serde_json::from_str(text).map(Self::List),
            Some(b'"') => serde_json::from_str(text).map(Self::Text),
            _ => Ok(Self::Word),
        };
        // An unpaired surrogate escape is not text, but can be compared.
        read.unwrap_or(Self::Word)
    }
}

/// Compares what is written, because a number may have more digits than any type can hold.
fn values(
    place: &str,
    (a, b): (Option<&RawValue>, Option<&RawValue>),
    depth_left: usize,
    found: &mut Vec<Difference>,
) {
    if a.map(RawValue::get) == b.map(RawValue::get) {
        return;
    }
    match (a.map(Node::of), b.map(Node::of)) {
        (Some(Node::Object(a)), Some(Node::Object(b))) if depth_left > 0 => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let place = format!("{place}.{}", name_in_place(name));
                let pair = (a.get(name).copied(), b.get(name).copied());
                values(&place, pair, depth_left - 1, found);
            }
        }
        (Some(Node::List(a)), Some(Node::List(b))) if depth_left > 0 => {
            for index in 0..a.len().max(b.len()) {
                let pair = (a.get(index).copied(), b.get(index).copied());
                values(&format!("{place}.{index}"), pair, depth_left - 1, found);
            }
        }
        (Some(Node::Text(a)), Some(Node::Text(b))) if a == b => {}
        _ => found.push(Difference::new(place, a.map(compact), b.map(compact))),
    }
}

fn compact(value: &RawValue) -> String {
    let text = value.get();
    let spaced = respace(text.as_bytes(), Spacing::Compact);
    spaced.map_or_else(
        || text.to_owned(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// The lines that were changed, removed or added. A line has its number in `a`, or in `b` if `a`
/// does not have it.
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
    if a_lines == b_lines {
        let told = |text: &str| Some(format!("{} bytes", text.len()));
        found.push(Difference::new(
            format!("{place} (its last line end)"),
            told(a),
            told(b),
        ));
        return;
    }
    let deadline = Some(Instant::now() + DIFF_LIMIT);
    let steps =
        similar::capture_diff_slices_deadline(Algorithm::Myers, &a_lines, &b_lines, deadline);
    for step in steps.iter().filter(|step| step.tag() != DiffTag::Equal) {
        let (of_a, of_b) = (step.old_range(), step.new_range());
        for index in 0..of_a.len().max(of_b.len()) {
            let a_line = of_a.clone().nth(index);
            let b_line = of_b.clone().nth(index);
            let number = a_line.or(b_line).unwrap_or_default() + 1;
            found.push(Difference::new(
                format!("{place} line {number}"),
                a_line.map(|line| a_lines[line].clone()),
                b_line.map(|line| b_lines[line].clone()),
            ));
        }
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

    /// Both were read into the same number.
    #[test]
    fn numbers_of_any_length_are_compared_as_they_are_written() {
        assert_eq!(
            of(
                r#"{"id":12345678901234567890123,"n":[1.0]}"#,
                r#"{"id":12345678901234567890124,"n":[1.00]}"#
            ),
            [
                place(
                    "body.id",
                    Some("12345678901234567890123"),
                    Some("12345678901234567890124")
                ),
                place("body.n.0", Some("1.0"), Some("1.00")),
            ]
        );
        let same = of(r#"{"a":"\u00e9","b":1}"#, "{\"b\":1, \"a\":\"é\"}");
        assert_eq!(same[0].0, "body (the same JSON, written another way)");
        let half = of(r#"["\ud800"]"#, r#"["\ud801"]"#);
        assert_eq!(
            half,
            [place("body.0", Some(r#""\ud800""#), Some(r#""\ud801""#))]
        );
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = |inside: &str| format!("{}{inside}{}", "[".repeat(1 << 16), "]".repeat(1 << 16));
        let found = of(&deep("1"), &deep("2"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0.matches(".0").count(), DEPTH_MAX);
    }

    /// One inserted line made all lines after it differ.
    #[test]
    fn a_line_that_is_put_in_is_the_only_difference() {
        assert_eq!(
            of("1\n2\n3\n4\n5\n", "1\nnew\n2\n3\n5\n6\n"),
            [
                place("body line 2", None, Some("new")),
                place("body line 4", Some("4"), None),
                place("body line 6", None, Some("6")),
            ]
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
