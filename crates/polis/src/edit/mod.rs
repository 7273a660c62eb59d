//! One value of a captured request changed, and every other byte left as it was.
//!
//! A body is signed as bytes: rewriting it with another order or spacing would test something
//! other than what was captured. This module reads what a person typed as a change
//! and decides what kind of body it changes; `json` and `form` find the value. Where it cannot be
//! said which bytes a value has, in a multipart or compressed body, it refuses.

mod form;
mod json;
mod place;

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serve::wire::Head;

use crate::content::{Content, media_type};

pub(crate) use place::name_in_place;
use place::{Place, PlaceError};

/// Changes by the name of what they change: `body`, `body.data`, `header.X-Name`. A value keeps
/// the spelling in which it was given.
pub(crate) type Edits = BTreeMap<String, Box<RawValue>>;

/// What is changed value by value.
const FORM: &str = "application/x-www-form-urlencoded";

/// Why a value of a body cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error("there is no body; the whole body can be set instead, as body")]
    NoBody,
    #[error(
        "the body is encoded as {0}, which hides its values; the whole body can be set instead, as body"
    )]
    Encoded(String),
    #[error("the body says that it is {kind}, but it is not JSON: {error}")]
    NotJson {
        kind: String,
        error: serde_json::Error,
    },
    #[error(
        "the body is {0}; values can be changed in JSON and in {FORM}; here the whole body can be set instead, as body"
    )]
    OtherKind(String),
    #[error("{0}")]
    Place(#[from] PlaceError),
}

/// The body with the value at this place changed (`data`, `items.0.name`; in a form the name of a
/// pair), and no other byte.
///
/// # Errors
/// [`EditError`] names the place and what was found instead.
pub(crate) fn edited(
    head: &Head,
    body: &[u8],
    place: &str,
    value: &RawValue,
) -> Result<Vec<u8>, EditError> {
    let kind = media_type(head);
    match Content::of(head, body) {
        Content::Json => Ok(json::set(body, &Place::parse(place)?, value.get())?),
        Content::Compressed => Err(EditError::Encoded(
            head.text("content-encoding").unwrap_or_default().to_owned(),
        )),
        _ if kind == FORM => Ok(form::set(body, place, &text(value))),
        Content::None => Err(EditError::NoBody),
        _ if kind == "application/json" || kind.ends_with("+json") => {
            // It is already known not to be JSON; this gets the reason.
            match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
                Err(error) => Err(EditError::NotJson { kind, error }),
                Ok(_) => Err(EditError::OtherKind(kind)),
            }
        }
        _ if kind.is_empty() => Err(EditError::OtherKind("without a Content-Type".to_owned())),
        _ => Err(EditError::OtherKind(kind)),
    }
}

/// A change as a person types it: `body.data=1`, `header.X-Name=text`.
///
/// Inside a body the value is JSON if it parses as JSON, else text; a whole body and a header are
/// always text. `header.X-Name=` removes the header, which is represented as null.
///
/// # Errors
/// A sentence that says how a change is written.
pub(crate) fn typed(change: &str) -> Result<(String, Box<RawValue>), String> {
    let wrong =
        || format!("{change:?} is not a change; write one like body.data=1 or header.X-Name=text");
    let (place, value) = change.split_once('=').ok_or_else(wrong)?;
    let value = if place.starts_with("header.") && value.is_empty() {
        Ok(RawValue::NULL.to_owned())
    } else if place.starts_with("body.") {
        // A value that is not JSON is text.
        serde_json::from_str(value).or_else(|_| serde_json::value::to_raw_value(value))
    } else {
        serde_json::value::to_raw_value(value)
    };
    Ok((place.to_owned(), value.map_err(|_| wrong())?))
}

/// A string without its quotes; every other value as it is spelled.
pub(crate) fn text(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &str) -> Head {
        Head::parse(format!("POST / HTTP/1.1\r\n{headers}\r\n").into()).unwrap()
    }

    fn set(headers: &str, body: &[u8], change: &str) -> Result<Vec<u8>, String> {
        let (place, value) = typed(change).unwrap();
        let place = place.strip_prefix("body.").unwrap();
        edited(&head(headers), body, place, &value).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_json_or_text_inside_a_body_and_text_elsewhere() {
        let value = |text: &str| typed(text).unwrap().1.get().to_owned();
        assert_eq!(value("body.data=1.0"), "1.0", "as it is spelled");
        assert_eq!(value("body.data={\"b\": 1,\"a\":2}"), "{\"b\": 1,\"a\":2}");
        assert_eq!(value("body.data=one=1"), "\"one=1\"");
        assert_eq!(value("body.data=null"), "null");
        assert_eq!(value("body.data="), "\"\"");
        assert_eq!(value("body=1"), "\"1\"");
        assert_eq!(value("header.x=1"), "\"1\"");
        assert_eq!(value("header.x="), "null");
        assert!(typed("body.data").is_err());
    }

    #[test]
    fn what_is_neither_json_nor_a_form_is_named() {
        let multipart = "Content-Type: Multipart/Form-Data; boundary=x\r\n";
        let refused = set(multipart, b"--x--", "body.a=1").unwrap_err();
        assert!(
            refused.contains("multipart/form-data") && refused.contains("as body"),
            "{refused}"
        );
        let gzip = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
        let refused = set(gzip, b"{}", "body.a=1").unwrap_err();
        assert!(refused.contains("encoded as gzip"), "{refused}");
        let json = "Content-Type: application/json\r\n";
        let refused = set(json, b"{broken", "body.a=1").unwrap_err();
        assert!(
            refused.contains("application/json") && refused.contains("line 1 column 2"),
            "{refused}"
        );
        let refused = set(json, b"", "body.a=1").unwrap_err();
        assert!(refused.contains("there is no body"), "{refused}");
        let refused = set("", b"hello", "body.a=1").unwrap_err();
        assert!(refused.contains("without a Content-Type"), "{refused}");
    }

    #[test]
    fn the_body_decides_what_it_is_whatever_its_type_says() {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        assert_eq!(
            set(form, b"{\"a\": 1}", "body.a=2"),
            Ok(b"{\"a\": 2}".to_vec())
        );
        assert_eq!(
            set(form, b"a=1&b=\xff", "body.a=2"),
            Ok(b"a=2&b=\xff".to_vec())
        );
        assert_eq!(set(form, b"", "body.a=b c"), Ok(b"a=b+c".to_vec()));
        assert_eq!(set("", b"[1.0]", "body.0=2"), Ok(b"[2]".to_vec()));
    }

    #[test]
    fn a_value_of_a_form_is_a_text() {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let value = |change: &str| String::from_utf8(set(form, b"", change).unwrap()).unwrap();
        assert_eq!(value("body.To=+15550100"), "To=%2B15550100");
        assert_eq!(value("body.Digits=1.0"), "Digits=1.0");
        assert_eq!(value("body.Body=\"1\""), "Body=1");
        assert_eq!(value("body.a.b=1"), "a.b=1", "a form has no levels");
    }
}
