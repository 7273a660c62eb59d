//! One HTTP request made for a delivery, and its outcome.

use std::time::{Duration, SystemTime};

/// The maximum number of bytes of a response body that are read; a longer body is cut off.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// How long a response body is read for after the headers; then it is cut off.
pub const RESPONSE_BODY_LIMIT: Duration = Duration::from_secs(1);
/// How many bytes of a response body are kept with its attempt.
pub const RESPONSE_HEAD_BYTES: usize = 4 * 1024;
/// How many bytes of the response headers are kept with an attempt, names and values together.
pub const RESPONSE_HEADERS_BYTES: usize = 4 * 1024;

/// One HTTP request made for a delivery, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first attempt of the delivery.
    pub number: u32,
    /// When the request was started.
    pub at: SystemTime,
    /// From the start of the request to the end of the response, or to where it was cut off or failed.
    pub duration: Duration,
    /// Whether the receiver accepted the event.
    pub outcome: Outcome,
    /// The response's status code, if there was a response.
    pub status: Option<u16>,
    /// The response headers, up to [`RESPONSE_HEADERS_BYTES`]; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The first [`RESPONSE_HEAD_BYTES`] of the response body.
    pub body_head: Vec<u8>,
    /// Why the body was not read to its end; `None` if it was. This does not affect whether the attempt succeeded:
    /// a 2xx status line is a success.
    pub body_cut: Option<BodyCut>,
}

/// Why a response body was not read to its end. The `Display` text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyCut {
    /// It is longer than [`RESPONSE_BYTES_MAX`], or arrived in more than 1,024 pieces.
    #[error("the body was cut off: it has more than {RESPONSE_BYTES_MAX} bytes or too many pieces")]
    Length,
    /// It had not ended [`RESPONSE_BODY_LIMIT`] after the headers.
    #[error("the body was cut off: it did not end within {} s", RESPONSE_BODY_LIMIT.as_secs())]
    Time,
    /// The connection ended before the body did, or the data was not valid HTTP.
    #[error("the body was cut off: the connection broke or the data was not HTTP")]
    Broken,
}

impl BodyCut {
    /// A short, stable name for the store.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Length => "body_length",
            Self::Time => "body_time",
            Self::Broken => "body_broken",
        }
    }

    /// The inverse of [`BodyCut::code`].
    pub(crate) fn from_stored(code: &str) -> Option<Self> {
        [Self::Length, Self::Time, Self::Broken]
            .into_iter()
            .find(|cut| cut.code() == code)
    }
}

/// Whether the receiver accepted the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It answered 2xx.
    Success,
    /// Anything else.
    Failure(Failure),
}

/// Why an attempt failed. The `Display` text is for people: "connection refused", "answered 503".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The receiver answered with a status that is not 2xx (redirects are not followed).
    #[error("answered {0}")]
    Status(u16),
    /// Nothing listens at the address.
    #[error("connection refused")]
    Refused,
    /// The host name does not resolve.
    #[error("the name does not resolve: {0}")]
    Name(String),
    /// The connection could not be made for another reason.
    #[error("no connection: {0}")]
    Connect(String),
    /// The TLS handshake failed: the certificate is expired, self-signed, or for another name.
    #[error("no trusted TLS connection: {0}")]
    Tls(String),
    /// The connection broke before the response headers were complete.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// What came back is not HTTP.
    #[error("not an HTTP response: {0}")]
    NotHttp(String),
    /// No response within the time limit.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// Webhooks may not be sent to this address. The value is for operators: what the name resolved to, and how to
    /// allow it. The `Display` text is for customers, and reveals nothing about our network.
    #[error("webhooks may not be sent to this address; use a URL on the public internet")]
    Address(String),
    /// The request could not be built from the endpoint's settings.
    #[error("the request could not be made: {0}")]
    Request(String),
}

impl Failure {
    /// What it says about the endpoint as a whole.
    pub(crate) fn symptom(&self) -> Symptom {
        match self {
            Self::Status(429) => Symptom::Throttle,
            Self::Status(502..=504) => Symptom::Overload,
            Self::Status(_) | Self::Request(_) => Symptom::Event,
            _ => Symptom::Down,
        }
    }

    /// A short, stable name for the store.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Refused => "refused",
            Self::Name(_) => "name",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Broken(_) => "broken",
            Self::NotHttp(_) => "not_http",
            Self::Timeout(_) => "timeout",
            Self::Address(_) => "address",
            Self::Request(_) => "request",
        }
    }

    /// The details that [`Failure::code`] leaves out.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Name(text)
            | Self::Connect(text)
            | Self::Tls(text)
            | Self::Broken(text)
            | Self::NotHttp(text)
            | Self::Address(text)
            | Self::Request(text) => text.clone(),
            Self::Timeout(limit) => limit.as_millis().to_string(),
            Self::Status(_) | Self::Refused => String::new(),
        }
    }

    /// The inverse of [`Failure::code`] and [`Failure::detail`]; `None` when no version has stored
    /// such a failure.
    pub(crate) fn from_stored(code: &str, detail: String, status: Option<u16>) -> Option<Self> {
        Some(match code {
            "status" => Self::Status(status?),
            "refused" => Self::Refused,
            "name" => Self::Name(detail),
            "connect" => Self::Connect(detail),
            "tls" => Self::Tls(detail),
            "broken" => Self::Broken(detail),
            "not_http" => Self::NotHttp(detail),
            "timeout" => Self::Timeout(Duration::from_millis(detail.parse().ok()?)),
            // From versions in which a response could be too large to count.
            "too_large" => Self::Broken("the answer was larger than 65536 bytes".to_owned()),
            "address" => Self::Address(detail),
            "request" => Self::Request(detail),
            _ => return None,
        })
    }
}

/// What a failure says about its endpoint as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Symptom {
    /// Nothing: it may be about this one event.
    Event,
    /// It, or what is behind its gateway, is overloaded.
    Overload,
    /// It asks to be left alone.
    Throttle,
    /// It cannot be reached, or does not answer.
    Down,
}
