//! Whether two JSON texts have the same value: objects regardless of the order of their keys, numbers by their
//! exact value, strings by their decoded content.
//!
//! Nothing is rounded: two numbers that a float cannot distinguish are still two numbers; otherwise an event would
//! be mistaken for another one and lost.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Below this depth the texts themselves are compared; it is the depth to which serde_json reads.
const DEPTH_MAX: usize = 128;

/// Whether both are JSON with the same value.
pub(crate) fn is_same_json(left: &[u8], right: &[u8]) -> bool {
    if left == right {
        return true;
    }
    let read = serde_json::from_slice::<&RawValue>;
    match (read(left), read(right)) {
        (Ok(left), Ok(right)) => is_same(left, right, DEPTH_MAX),
        _ => false,
    }
}

fn is_same(left: &RawValue, right: &RawValue, depth: usize) -> bool {
    let (left, right) = (left.get(), right.get());
    if left == right {
        return true;
    }
    if depth == 0 {
        return false;
    }
    let first = |text: &str| text.as_bytes().first().copied();
    let is_number = |byte: u8| byte == b'-' || byte.is_ascii_digit();
    match (first(left), first(right)) {
        (Some(b'{'), Some(b'{')) => {
            let read = serde_json::from_str::<BTreeMap<String, &RawValue>>;
            let (Ok(left), Ok(right)) = (read(left), read(right)) else {
                return false;
            };
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|((name, left), (other, right))| {
                        name == other && is_same(left, right, depth - 1)
                    })
        }
        (Some(b'['), Some(b'[')) => {
            let read = serde_json::from_str::<Vec<&RawValue>>;
            let (Ok(left), Ok(right)) = (read(left), read(right)) else {
                return false;
            };
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|(left, right)| is_same(left, right, depth - 1))
        }
        (Some(b'"'), Some(b'"')) => {
            let read = serde_json::from_str::<String>;
            matches!((read(left), read(right)), (Ok(left), Ok(right)) if left == right)
        }
        (Some(one), Some(other)) if is_number(one) && is_number(other) => {
            let left = Number::read(left);
            left.is_some() && left == Number::read(right)
        }
        _ => false,
    }
}

/// A decimal number: its digits without leading or trailing zeros, times ten to the power of the exponent.
#[derive(Debug, PartialEq, Eq)]
struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Number {
    /// `None` for an absurdly large exponent.
    fn read(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        let count = |text: &str| i64::try_from(text.len()).ok();
        let zeros = count(digits)? - count(significant)?;
        Some(Self {
            negative,
            digits: significant.to_owned(),
            exponent: exponent.checked_sub(count(fraction)?)?.checked_add(zeros)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) -> bool {
        assert_eq!(
            is_same_json(left.as_bytes(), right.as_bytes()),
            is_same_json(right.as_bytes(), left.as_bytes())
        );
        is_same_json(left.as_bytes(), right.as_bytes())
    }

    #[test]
    fn the_same_value_is_the_same_however_it_is_written() {
        for (left, right) in [
            (
                r#"{"a":1,"b":[true,null]}"#,
                r#"{ "b":[true, null], "a":1 }"#,
            ),
            ("1", "1.0"),
            ("100", "1e2"),
            ("1.5E+3", "1500.00"),
            ("0.001", "1e-3"),
            ("0", "-0.0"),
            ("0e7", "0"),
            (r#""\u00e9\/""#, r#""é/""#),
            (
                r#"{"\u0061":[{"x":1,"y":2}]}"#,
                r#"{"a":[{"y":2.0,"x":1}]}"#,
            ),
        ] {
            assert!(same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn other_values_are_others_to_the_last_digit() {
        for (left, right) in [
            ("1", "-1"),
            ("1", "\"1\""),
            ("10000000000000000000000001", "10000000000000000000000002"),
            ("0.1", "0.10000000000000000001"),
            ("1e400", "1e401"),
            ("null", "false"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,1]"),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            ("{}", "[]"),
            ("1e99999999999999999999", "1e99999999999999999998"),
            ("not JSON", "1"),
        ] {
            assert!(!same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn what_is_nested_very_deep_does_not_overflow_the_stack() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(same(&deep("1"), &deep("1")));
        assert!(!same(&deep("1"), &deep("2")));
    }
}
