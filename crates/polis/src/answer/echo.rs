//! Answers with a value of the request, as providers require before they trust a URL.

use std::{fmt, str::FromStr};

use serde_json::Value;
use serve::wire::Head;
use webhooks_core::scheme::Challenge;

use crate::diagnosis::{Verification, challenge};

/// A provider's check of a URL is short; parsing any larger body would be wasted.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What providers send and want back: Zoom and Discord (computed with their secret), WebSub and
/// Meta, Microsoft Graph, Dropbox, Slack.
pub(crate) const CHALLENGES: [&str; 5] = [
    PROVIDER,
    "query.hub.challenge",
    "query.validationToken",
    "query.challenge",
    "body.challenge",
];

/// The name for the answer that a provider expects to be computed.
const PROVIDER: &str = "provider";

/// The place of a value: `query.hub.challenge`, `header.X-Hook-Secret`, `body.challenge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Echo {
    /// A parameter of the query, decoded.
    Query(String),
    /// The first header of this name.
    Header(String),
    /// A text or a number in a JSON body, by its path.
    Body(String),
    /// The answer that the provider whose signatures are checked expects: not a place, but computed
    /// with the secret that signed the question.
    Provider,
}

/// The text does not name a value of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} does not name a value of a request; write query.hub.challenge, header.X-Name, body.challenge or provider"
)]
pub(crate) struct EchoFault(String);

impl FromStr for Echo {
    type Err = EchoFault;

    fn from_str(text: &str) -> Result<Self, EchoFault> {
        match text.split_once('.') {
            Some(("query", name)) if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            Some(("header", name)) if http::HeaderName::from_bytes(name.as_bytes()).is_ok() => {
                Ok(Self::Header(name.to_owned()))
            }
            Some(("body", path)) if !path.is_empty() => Ok(Self::Body(path.to_owned())),
            None if text == PROVIDER => Ok(Self::Provider),
            _ => Err(EchoFault(text.to_owned())),
        }
    }
}

impl fmt::Display for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::Body(path) => write!(f, "body.{path}"),
            Self::Provider => f.write_str(PROVIDER),
        }
    }
}

impl Echo {
    /// The answer, if the request has a non-empty value or is the provider's question.
    pub(super) fn answer(
        &self,
        head: &Head,
        body: &[u8],
        verification: Option<&Verification>,
    ) -> Option<Echoed> {
        let value = match self {
            Self::Provider if body.len() > BODY_BYTES_MAX => None,
            Self::Provider => return challenge(verification?, head, body).map(Echoed::from),
            Self::Query(name) => form_urlencoded::parse(head.query())
                .find(|(given, _)| given == name)
                .map(|(_, value)| value.into_owned()),
            Self::Header(name) => head.text(name).map(str::to_owned),
            Self::Body(path) => in_json(body, path),
        };
        value.filter(|value| !value.is_empty()).map(|body| Echoed {
            status: 200,
            content_type: "text/plain; charset=utf-8",
            body,
        })
    }
}

/// The answer to a provider's check of the URL.
pub(super) struct Echoed {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl From<Challenge> for Echoed {
    fn from(answer: Challenge) -> Self {
        Self {
            status: answer.status,
            content_type: answer.content_type,
            body: answer.body,
        }
    }
}

fn in_json(body: &[u8], path: &str) -> Option<String> {
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    let whole: Value = serde_json::from_slice(body).ok()?;
    match whole.pointer(&format!("/{}", path.replace('.', "/")))? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_found_decoded_or_there_is_none() {
        let head = "POST /a?hub.challenge=1%2B5&x= HTTP/1.1\r\nX-Hook-Secret: s\r\n\r\n";
        let head = Head::parse(head.into()).unwrap();
        let body = br#"{"challenge":"3eZb","n":{"m":7},"o":{}}"#;
        for (place, value) in [
            ("query.hub.challenge", Some("1+5")),
            ("query.x", None),
            ("query.y", None),
            ("header.x-hook-secret", Some("s")),
            ("body.challenge", Some("3eZb")),
            ("body.n.m", Some("7")),
            ("body.o", None),
            ("provider", None),
        ] {
            let echo: Echo = place.parse().unwrap();
            let answer = echo.answer(&head, body, None).map(|answer| answer.body);
            assert_eq!(answer.as_deref(), value, "{place}");
            assert_eq!(echo.to_string(), place);
        }
        for place in ["", "challenge", "query.", "header.a b", "body.", "path.a"] {
            assert!(place.parse::<Echo>().is_err(), "{place}");
        }
    }
}
