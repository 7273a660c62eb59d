//! The reason that an endpoint gives in its own words, found at the beginning of a JSON answer.

use serde_json::Value;

/// A longer text is not a reason.
const REASON_CHARS_MAX: usize = 240;

/// The members in which services put a reason, the most informative first.
const MEMBERS: [&str; 5] = ["reason", "detail", "error", "error_message", "message"];

/// The reason in `body`, on one line and cut to a sentence's length; `None` when `body` is not a
/// JSON object or has none.
pub(crate) fn reason(body: &[u8]) -> Option<String> {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return None;
    };
    let text = MEMBERS
        .iter()
        .find_map(|member| match answer.get(*member)? {
            Value::String(text) => Some(text.as_str()),
            Value::Object(inner) => inner.get("message")?.as_str(),
            _ => None,
        })?;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    if line.is_empty() {
        return None;
    }
    match line.char_indices().nth(REASON_CHARS_MAX) {
        Some((cut, _)) => Some(format!("{}…", &line[..cut])),
        None => Some(line.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_where_services_put_it() {
        for body in [
            r#"{"id":"e1","reason":"no such number."}"#,
            r#"{"error":"no  such\n number"}"#,
            r#"{"error":{"message":"no such number"}}"#,
            r#"{"message":"no such number","status":400}"#,
        ] {
            assert_eq!(reason(body.as_bytes()).as_deref(), Some("no such number"));
        }
    }

    #[test]
    fn an_answer_that_is_no_json_object_gives_no_reason() {
        for body in [
            "",
            "Service Unavailable",
            "<h1>502</h1>",
            "[1]",
            "{\"reason\":",
        ] {
            assert_eq!(reason(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let body = format!(r#"{{"reason":"{}"}}"#, "é".repeat(500));
        let reason = reason(body.as_bytes()).unwrap();
        assert_eq!(reason.chars().count(), REASON_CHARS_MAX + 1);
        assert!(reason.ends_with('…'));
    }
}
