//! Where two captured requests differ: line, headers, and the body by what it is.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::record::Record;

/// One place where they differ; `None` where one has nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// `method`, `target`, `header.x-name`, `body.items.0.name`, `body line 3`
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

/// Every difference, from the request line to the body.
pub(crate) fn differences(a: &Record, b: &Record) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |place: &str, a: String, b: String| {
        if a != b {
            found.push(Difference::new(place, Some(a), Some(b)));
        }
    };
    compare("method", a.method().to_owned(), b.method().to_owned());
    compare("target", a.target(), b.target());
    headers(a, b, &mut found);
    body(&a.body, &b.body, &mut found);
    found
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
        return lines(before, after, found);
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
                values(&format!("{place}.{name}"), a.get(name), b.get(name), found);
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
fn lines(a: &str, b: &str, found: &mut Vec<Difference>) {
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
            "body (its last line end)",
            told(a),
            told(b),
        ));
    }
    for index in 0..a_changed.len().max(b_changed.len()) {
        found.push(Difference::new(
            format!("body line {}", before + index + 1),
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
