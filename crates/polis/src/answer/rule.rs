//! One rule: which requests it applies to, and how they are answered.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Asked, Echo, EchoFault, Sequence, SequenceFault, SpanFault, TimeSpan};
use crate::{
    content::LABEL_CHARS,
    destination::{Destination, DestinationError},
    scope_path,
};

/// Maximum value of `huge_body`: more than any reader should accept.
const HUGE_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// The size limit of a body that a rule answers with.
const BODY_BYTES: usize = 10 * 1024 * 1024;
/// Maximum number of headers that a rule adds.
const HEADERS: usize = 50;

/// A number, or a string with a number in it: TOML and JSON writers use either.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NumberOrText {
    /// `200`
    Whole(u64),
    /// `0.5`
    Fraction(f64),
    /// `"500x2,200"`
    Text(String),
}

impl std::fmt::Display for NumberOrText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Fraction(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A rule as it is written in `polis.toml` and in the API's JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSpec {
    /// The method it applies to; absent for all methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path it applies to; `*` stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The event type it applies to; `*` stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// A value of the request to answer with, as text: `query.hub.challenge`,
    /// `header.X-Hook-Secret` or `body.challenge`, or `provider` for the answer that Zoom or Discord
    /// wants computed with its secret; the rule applies only to requests that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo: Option<String>,
    /// Statuses in turn, counted per delivery: `500x2,200`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub respond: Option<NumberOrText>,
    /// The fraction of requests that are answered 500, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_rate: Option<f64>,
    /// Makes `fail_rate` and ranges of `sleep` repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Seconds before the answer, `2` or `1..5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep: Option<NumberOrText>,
    /// Seconds in a `Retry-After` header of answers that are not 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Headers as `Name: value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// The body; absent for an echo of the request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body in base64, if it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Never answers.
    #[serde(skip_serializing_if = "is_false")]
    pub hang: bool,
    /// Resets the connection instead of answering.
    #[serde(skip_serializing_if = "is_false")]
    pub reset: bool,
    /// Seconds between two bytes of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_body: Option<f64>,
    /// The size of a generated body, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub huge_body: Option<u64>,
    /// The URL to which the client is redirected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
    /// The app to which requests are forwarded: a URL, a host and port, or a port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum RuleFault {
    #[error("method: {0:?} never matches; write a method like POST")]
    Method(String),
    #[error("path: {value:?} never matches; {reason}")]
    Path {
        value: String,
        /// What a path must be like.
        reason: &'static str,
    },
    #[error("event: {0:?} never matches; an event's type has 1 to {LABEL_CHARS} characters")]
    Event(String),
    #[error("echo: {0}")]
    Echo(#[from] EchoFault),
    #[error("respond: {0}")]
    Respond(#[from] SequenceFault),
    #[error("sleep: {0}")]
    Sleep(#[from] SpanFault),
    #[error("fail_rate is {0}; it must be a fraction from 0 to 1")]
    FailRate(f64),
    #[error("header {0:?} is not \"Name: value\"")]
    Header(String),
    #[error("header {0:?} is set by polis itself")]
    Framing(String),
    #[error("{0} headers are given; the limit is {HEADERS}")]
    Headers(usize),
    #[error("body_base64 is not base64")]
    Base64,
    #[error("body and body_base64 are both given; give one")]
    TwoBodies,
    #[error("body is {0} bytes; the limit is {BODY_BYTES}")]
    Body(usize),
    #[error("slow_body is {0}; it must be the seconds between two bytes, from 0 to 60")]
    SlowBody(f64),
    #[error("huge_body is {0} bytes; the limit is {HUGE_BYTES}")]
    HugeBody(u64),
    #[error("redirect: {0:?} is not an http:// or https:// URL")]
    Redirect(String),
    #[error("forward: {value:?} cannot be used; {error}")]
    Forward {
        value: String,
        error: DestinationError,
    },
    #[error("hang and reset are both given; give one")]
    HangAndReset,
}

/// A rule that was checked.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(super) spec: RuleSpec,
    pub(super) respond: Option<Sequence>,
    pub(super) sleep: Option<TimeSpan>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) slow_body: Option<Duration>,
    pub(super) redirect: Option<String>,
    pub(super) forward: Option<Destination>,
    pub(super) echo: Option<Echo>,
    pub(super) dice: Mutex<StdRng>,
}

impl Rule {
    /// Checks a rule as it was written.
    ///
    /// # Errors
    /// Every [`RuleFault`] at once.
    pub(crate) fn new(spec: RuleSpec) -> Result<Self, Vec<RuleFault>> {
        let mut faults = never_matching(&spec);
        let echo = keep(
            &mut faults,
            (spec.echo.as_ref()).map(|place| place.parse::<Echo>().map_err(RuleFault::from)),
        );
        let respond = keep(
            &mut faults,
            spec.respond.as_ref().map(|text| {
                text.to_string()
                    .parse::<Sequence>()
                    .map_err(RuleFault::from)
            }),
        );
        let sleep = keep(
            &mut faults,
            spec.sleep.as_ref().map(|text| {
                text.to_string()
                    .parse::<TimeSpan>()
                    .map_err(RuleFault::from)
            }),
        );
        if let Some(rate) = spec.fail_rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
            faults.push(RuleFault::FailRate(rate));
        }
        if spec.headers.len() > HEADERS {
            faults.push(RuleFault::Headers(spec.headers.len()));
        }
        let headers = spec
            .headers
            .iter()
            .filter_map(|line| keep(&mut faults, Some(header(line))))
            .collect();
        let body = keep(&mut faults, body(&spec));
        let slow_body = keep(
            &mut faults,
            spec.slow_body.map(|seconds| {
                if (0.0..=60.0).contains(&seconds) {
                    Ok(Duration::from_secs_f64(seconds))
                } else {
                    Err(RuleFault::SlowBody(seconds))
                }
            }),
        );
        if let Some(bytes) = spec.huge_body.filter(|bytes| *bytes > HUGE_BYTES) {
            faults.push(RuleFault::HugeBody(bytes));
        }
        // Kept as written: a test may want a redirect that no URL parser would produce.
        let redirect = keep(
            &mut faults,
            spec.redirect.as_ref().map(|url| match is_http_url(url) {
                true => Ok(url.clone()),
                false => Err(RuleFault::Redirect(url.clone())),
            }),
        );
        let forward = keep(
            &mut faults,
            spec.forward.as_ref().map(|value| {
                value.parse().map_err(|error| RuleFault::Forward {
                    value: value.clone(),
                    error,
                })
            }),
        );
        if spec.hang && spec.reset {
            faults.push(RuleFault::HangAndReset);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let dice = match spec.seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => StdRng::from_rng(&mut rand::rng()),
        };
        Ok(Self {
            spec,
            respond,
            sleep,
            headers,
            body,
            slow_body,
            redirect,
            forward,
            echo,
            dice: Mutex::new(dice),
        })
    }

    /// The rule as it was written.
    pub(crate) fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    /// Whether it says nothing about the answer, like the rule of flags that were not given.
    pub(super) fn is_silent(&self) -> bool {
        self.spec == RuleSpec::default()
    }

    pub(super) fn is_for(&self, asked: &Asked<'_>) -> bool {
        let spec = &self.spec;
        let method = spec.method.as_ref();
        let path = spec.path.as_ref();
        let event = spec.event.as_ref();
        method.is_none_or(|wanted| wanted.eq_ignore_ascii_case(asked.method()))
            && path.is_none_or(|wanted| glob(wanted, asked.path()))
            && event.is_none_or(|wanted| asked.event.is_some_and(|event| glob(wanted, event)))
            && (self.echo.as_ref()).is_none_or(|echo| asked.answer(echo).is_some())
    }
}

/// Why no request can ever match.
fn never_matching(spec: &RuleSpec) -> Vec<RuleFault> {
    let method = spec.method.as_ref();
    let method = method.filter(|text| http::Method::from_bytes(text.as_bytes()).is_err());
    let path = spec.path.as_ref().and_then(|value| {
        let reason = if value.contains(['?', '#']) {
            "it is compared with the path alone, without the query"
        } else if !value.starts_with(['/', '*']) {
            "a path begins with / or *"
        } else if scope_path::split(value).is_some() {
            "requests to /in/<name>/ go to the rules of that scope, which see the path after it"
        } else if value.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            "a path has no white space; write %20"
        } else {
            return None;
        };
        Some(RuleFault::Path {
            value: value.clone(),
            reason,
        })
    });
    let event = spec.event.as_ref().filter(|text| {
        let least = text.chars().filter(|letter| *letter != '*').count();
        text.is_empty() || least > LABEL_CHARS
    });
    (method.cloned().map(RuleFault::Method).into_iter())
        .chain(path)
        .chain(event.cloned().map(RuleFault::Event))
        .collect()
}

fn keep<T>(faults: &mut Vec<RuleFault>, value: Option<Result<T, RuleFault>>) -> Option<T> {
    match value? {
        Ok(value) => Some(value),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

fn header(line: &str) -> Result<(String, String), RuleFault> {
    let wrong = || RuleFault::Header(line.to_owned());
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let (name, value) = (name.trim_end(), value.trim());
    let is_value = value
        .bytes()
        .all(|b| b == b'\t' || (b >= b' ' && b != 0x7f));
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() || !is_value {
        return Err(wrong());
    }
    if ["content-length", "transfer-encoding", "connection"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
    {
        return Err(RuleFault::Framing(name.to_owned()));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn body(spec: &RuleSpec) -> Option<Result<Bytes, RuleFault>> {
    let body = match (&spec.body, &spec.body_base64) {
        (None, None) => return None,
        (Some(_), Some(_)) => return Some(Err(RuleFault::TwoBodies)),
        (Some(text), None) => Bytes::copy_from_slice(text.as_bytes()),
        (None, Some(text)) => match STANDARD.decode(text) {
            Ok(bytes) => Bytes::from(bytes),
            Err(_) => return Some(Err(RuleFault::Base64)),
        },
    };
    Some(if body.len() > BODY_BYTES {
        Err(RuleFault::Body(body.len()))
    } else {
        Ok(body)
    })
}

fn is_http_url(value: &str) -> bool {
    let printable = value.bytes().all(|b| b > b' ' && b != 0x7f);
    printable
        && Url::parse(value)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether `text` matches this pattern, in which `*` stands for any text.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        // Each part before the last star is matched at its first occurrence, which leaves the most text for the rest.
        if let Some(middle) = last.replace(part) {
            let Some(position) = rest.find(middle) else {
                return false;
            };
            rest = &rest[position + middle.len()..];
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a*", "/ab", true),
            ("*", "", true),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/d", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*a", "a", false),
            ("random_number:*", "random_number:generate", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let spec: RuleSpec = serde_json::from_str(
            r#"{"respond":"abc","sleep":"x","fail_rate":2,"headers":["bad","Content-Length: 1"],
                "body":"a","body_base64":"YQ==","slow_body":-1,"redirect":"ftp://a","forward":"x",
                "hang":true,"reset":true,"method":"post ","path":"hooks","event":"","echo":"x"}"#,
        )
        .unwrap();
        assert_eq!(Rule::new(spec).unwrap_err().len(), 14);
    }

    #[test]
    fn a_rule_that_can_never_match_is_refused_with_the_reason() {
        let fault = |json: &str| {
            let faults = Rule::new(serde_json::from_str(json).unwrap()).unwrap_err();
            faults
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")
        };
        for (json, reason) in [
            (
                r#"{"path":"hooks/*"}"#,
                "path: \"hooks/*\" never matches; a path begins with / or *",
            ),
            (r#"{"path":"/a?b=1"}"#, "without the query"),
            (r#"{"path":"/a b"}"#, "%20"),
            (r#"{"path":""}"#, "begins with /"),
            (r#"{"path":"/in/acme/*"}"#, "the rules of that scope"),
            (r#"{"method":"post "}"#, "method: \"post \" never matches"),
            (r#"{"method":""}"#, "a method like POST"),
            (r#"{"event":""}"#, "1 to 128 characters"),
        ] {
            assert!(fault(json).contains(reason), "{json}: {}", fault(json));
        }
        for json in [
            r#"{"path":"*"}"#,
            r#"{"path":"*/hooks"}"#,
            r#"{"path":"/in/*"}"#,
            r#"{"method":"post"}"#,
        ] {
            assert!(
                Rule::new(serde_json::from_str(json).unwrap()).is_ok(),
                "{json}"
            );
        }
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        assert!(header("A: b\r\nC: d").is_err());
        assert_eq!(header("A:b"), Ok(("A".into(), "b".into())));
    }
}
