//! One rule: for which requests it is, and what they are answered.

use std::{sync::Mutex, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Sequence, SequenceFault, SpanFault, TimeSpan};

/// What `huge_body` may be at most: more than any reader should accept.
const HUGE_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// A body that a rule answers with.
const BODY_BYTES: usize = 10 * 1024 * 1024;
/// Headers that a rule adds.
const HEADERS: usize = 50;

/// A number, or a text with one in it: TOML and JSON writers choose either.
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
    /// The method it is for; absent for every method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path it is for; `*` stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The event type it is for; `*` stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Statuses in turn, counted per delivery: `500x2,200`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub respond: Option<NumberOrText>,
    /// The share of requests that are answered 500, from 0 to 1.
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
    /// The body; absent for an echo of the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body in base64, when it is not text.
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
    /// Bytes of a made-up body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub huge_body: Option<u64>,
    /// Where the client is redirected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
    /// The app that requests are forwarded to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleFault {
    /// `respond`
    #[error("respond: {0}")]
    Respond(#[from] SequenceFault),
    /// `sleep`
    #[error("sleep: {0}")]
    Sleep(#[from] SpanFault),
    /// `fail_rate`
    #[error("fail_rate is {0}; it is a share from 0 to 1")]
    FailRate(f64),
    /// `headers`
    #[error("header {0:?} is not \"Name: value\"")]
    Header(String),
    /// `headers`
    #[error("header {0:?} is set by polis itself")]
    Framing(String),
    /// `headers`
    #[error("{0} headers are given; the limit is {HEADERS}")]
    Headers(usize),
    /// `body_base64`
    #[error("body_base64 is not base64")]
    Base64,
    /// `body` and `body_base64`
    #[error("body and body_base64 are both given; give one")]
    TwoBodies,
    /// `body`
    #[error("body is {0} bytes; the limit is {BODY_BYTES}")]
    Body(usize),
    /// `slow_body`
    #[error("slow_body is {0}; it is seconds between two bytes, from 0 to 60")]
    SlowBody(f64),
    /// `huge_body`
    #[error("huge_body is {0} bytes; the limit is {HUGE_BYTES}")]
    HugeBody(u64),
    /// `redirect` or `forward`
    #[error("{field}: {value:?} is not an http:// or https:// URL")]
    Url {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// Two ways to misbehave.
    #[error("hang and reset are both given; give one")]
    HangAndReset,
}

/// A rule that was checked.
#[derive(Debug)]
pub struct Rule {
    pub(super) spec: RuleSpec,
    pub(super) respond: Option<Sequence>,
    pub(super) sleep: Option<TimeSpan>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) slow_body: Option<Duration>,
    pub(super) redirect: Option<String>,
    pub(super) forward: Option<Url>,
    pub(super) dice: Mutex<StdRng>,
}

impl Rule {
    /// Checks a rule as it was written.
    ///
    /// # Errors
    /// Every [`RuleFault`] at once.
    pub fn new(spec: RuleSpec) -> Result<Self, Vec<RuleFault>> {
        let mut faults = Vec::new();
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
        // Kept as written: a test may want a redirect that no parser would write.
        let redirect = keep(
            &mut faults,
            spec.redirect
                .as_ref()
                .map(|url| http_url("redirect", url).map(|_| url.clone())),
        );
        let forward = keep(
            &mut faults,
            spec.forward.as_ref().map(|url| http_url("forward", url)),
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
            dice: Mutex::new(dice),
        })
    }

    /// The rule as it was written.
    #[must_use]
    pub fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    pub(super) fn is_for(&self, method: &str, path: &str, event: Option<&str>) -> bool {
        let spec = &self.spec;
        spec.method
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && spec.path.as_ref().is_none_or(|wanted| glob(wanted, path))
            && spec
                .event
                .as_ref()
                .is_none_or(|wanted| event.is_some_and(|event| glob(wanted, event)))
    }
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

fn http_url(field: &'static str, value: &str) -> Result<Url, RuleFault> {
    let printable = value.bytes().all(|b| b > b' ' && b != 0x7f);
    Url::parse(value)
        .ok()
        .filter(|url| printable && matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| RuleFault::Url {
            field,
            value: value.to_owned(),
        })
}

/// Whether `text` is of this pattern, in which `*` stands for any text.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        // The part before the last star is found at its first place: that leaves most to match.
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
                "hang":true,"reset":true}"#,
        )
        .unwrap();
        assert_eq!(Rule::new(spec).unwrap_err().len(), 10);
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        assert!(header("A: b\r\nC: d").is_err());
        assert_eq!(header("A:b"), Ok(("A".into(), "b".into())));
    }
}
