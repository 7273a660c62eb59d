//! Reading a webhook's body: which event it is, and what to text.

use serde::Deserialize;
use serde_json::value::RawValue;

/// The only type of event that is texted.
pub(crate) const RANDOM_NUMBER: &str = "random_number:generate";
/// Ids in use are UUIDs of 36 characters; this leaves room for others and bounds what is stored.
const ID_BYTES_MAX: usize = 256;
/// `Here's a random number: ` and this many characters fit one SMS segment of 160.
const DATA_CHARS_MAX: usize = 100;

/// An event of the type `random_number:generate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draw {
    /// The id by which copies of the event are recognised; without one there are no copies.
    pub(crate) id: Option<String>,
    /// The number, as it was written.
    pub(crate) number: String,
}

impl Draw {
    /// The text message.
    pub(crate) fn text(&self) -> String {
        format!("Here's a random number: {}", self.number)
    }
}

/// The content of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A number to text.
    Draw(Draw),
    /// Another type of event: nothing to do.
    Other,
}

/// Why a body is not an event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventError {
    /// 400.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// 422.
    #[error("the body is not an event: it must be an object with \"id\", \"event\" and \"data\"")]
    NotAnObject,
    /// 422.
    #[error("\"event\" is missing or not a string, like \"random_number:generate\"")]
    NoType,
    /// 422.
    #[error("\"id\" must be a string of 1 to {ID_BYTES_MAX} bytes without control characters")]
    BadId,
    /// 422.
    #[error(
        "\"data\" is missing; it must be a number or a string of up to {DATA_CHARS_MAX} characters"
    )]
    NoData,
    /// 422.
    #[error(
        "\"data\" is not a number or a string of 1 to {DATA_CHARS_MAX} characters without control characters"
    )]
    BadData,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    // Kept as written: 641.50 is texted as 641.50.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Reads `body`; `header_id` is the id in the `webhook-id` header, for a body without one.
pub(crate) fn read(body: &[u8], header_id: Option<&str>) -> Result<Received, EventError> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            EventError::NotAnObject
        } else {
            EventError::NotJson(error.to_string())
        }
    })?;
    let event_type = body.event.and_then(string).ok_or(EventError::NoType)?;
    if event_type != RANDOM_NUMBER {
        return Ok(Received::Other);
    }
    let id = match body.id {
        Some(id) => Some(string(id).ok_or(EventError::BadId)?),
        None => header_id.map(str::to_owned),
    };
    if id
        .as_deref()
        .is_some_and(|id| !fits(id, id.len(), ID_BYTES_MAX))
    {
        return Err(EventError::BadId);
    }
    let number = number(body.data.ok_or(EventError::NoData)?)?;
    Ok(Received::Draw(Draw { id, number }))
}

fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn number(data: &RawValue) -> Result<String, EventError> {
    let number = match data.get().as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => data.get().to_owned(),
        // White space at either end would not survive the network, and a look-up would then miss the text.
        Some(b'"') => string(data).ok_or(EventError::BadData)?.trim().to_owned(),
        _ => return Err(EventError::BadData),
    };
    if fits(&number, number.chars().count(), DATA_CHARS_MAX) {
        Ok(number)
    } else {
        Err(EventError::BadData)
    }
}

fn fits(text: &str, size: usize, size_max: usize) -> bool {
    (1..=size_max).contains(&size) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(body: &str) -> Draw {
        match read(body.as_bytes(), None) {
            Ok(Received::Draw(draw)) => draw,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn numbers_and_short_strings_are_texted_as_written() {
        for (data, text) in [
            ("863", "863"),
            ("-1.50", "-1.50"),
            ("18446744073709551616", "18446744073709551616"),
            ("\"a \\u00e9 \"", "a é"),
        ] {
            let body = format!(r#"{{"id":"a","event":"random_number:generate","data":{data}}}"#);
            assert_eq!(
                draw(&body).text(),
                format!("Here's a random number: {text}")
            );
        }
    }

    #[test]
    fn the_id_comes_from_the_body_and_else_from_the_header() {
        let with = br#"{"id":"a","event":"random_number:generate","data":1}"#;
        let without = br#"{"event":"random_number:generate","data":1}"#;
        let id = |body: &[u8]| match read(body, Some("b")) {
            Ok(Received::Draw(draw)) => draw.id,
            other => panic!("{other:?}"),
        };
        assert_eq!(id(with).as_deref(), Some("a"));
        assert_eq!(id(without).as_deref(), Some("b"));
        assert_eq!(
            draw(r#"{"event":"random_number:generate","data":1,"id":null}"#).id,
            None
        );
    }

    #[test]
    fn each_fault_is_named() {
        let long = "x".repeat(DATA_CHARS_MAX + 1);
        let long_id = "x".repeat(ID_BYTES_MAX + 1);
        let event = |rest: &str| format!(r#"{{"event":"random_number:generate"{rest}}}"#);
        for (body, expected) in [
            ("[]".to_owned(), EventError::NotAnObject),
            ("3".to_owned(), EventError::NotAnObject),
            (r#"{"data":1}"#.to_owned(), EventError::NoType),
            (r#"{"event":7,"data":1}"#.to_owned(), EventError::NoType),
            (event(""), EventError::NoData),
            (event(r#","data":null"#), EventError::NoData),
            (event(r#","data":[1]"#), EventError::BadData),
            (event(r#","data":true"#), EventError::BadData),
            (event(r#","data":" ""#), EventError::BadData),
            (event(r#","data":"a\u0000b""#), EventError::BadData),
            (event(&format!(r#","data":"{long}""#)), EventError::BadData),
            (event(r#","data":1,"id":"""#), EventError::BadId),
            (event(r#","data":1,"id":5"#), EventError::BadId),
            (
                event(&format!(r#","data":1,"id":"{long_id}""#)),
                EventError::BadId,
            ),
        ] {
            assert_eq!(read(body.as_bytes(), None), Err(expected), "{body}");
        }
        for broken in [&b"{"[..], b"", b"{\"event\":\xff}", b"{} {}"] {
            assert!(matches!(read(broken, None), Err(EventError::NotJson(_))));
        }
    }

    #[test]
    fn other_events_need_no_data() {
        assert_eq!(read(br#"{"event":"ping"}"#, None), Ok(Received::Other));
    }
}
