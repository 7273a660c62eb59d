//! A captured request in JSON, for the page, the command line and every other reader.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    content::Content,
    diagnosis::{Diagnosis, Finding, Preset, Verdict},
    record::{Answer, Record},
    redact::Redactor,
};

/// What of the signed string is shown; a body of megabytes is at `/body`.
const SIGNED_BYTES: usize = 64 * 1024;

/// One captured request.
///
/// Lists and the event stream leave out what makes it large: `headers`, `trailers`,
/// `first_bytes`, `signature.findings`, `signature.signed` and the answer's headers. The
/// detail of one request has them. Bytes that are not UTF-8 stand in a `_base64` field next
/// to a text in which they are replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Captured {
    /// Counted from 1; newer requests have greater ids.
    pub id: u64,
    /// The scope; `default` outside of `/in/<name>/`.
    pub scope: String,
    /// RFC 3339 with milliseconds.
    pub received_at: String,
    /// Empty for a request that could not be read.
    pub method: String,
    /// Path and query as received.
    pub target: String,
    /// The target's bytes, when they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_base64: Option<String>,
    /// `HTTP/1.1` or `HTTP/1.0`; empty for a request that could not be read.
    pub version: String,
    /// Address and port of the client.
    pub remote: String,
    /// Names and values in the order, case and repetition received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<CapturedHeader>>,
    /// Trailer lines of a chunked body as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailers: Option<String>,
    /// The body's size and kind; its bytes are at `/api/requests/{id}/body`.
    pub body: CapturedBody,
    /// The event's type, when headers or body name it.
    pub event: Option<String>,
    /// Which attempt of which delivery, when the sender names deliveries.
    pub delivery: Option<CapturedDelivery>,
    /// What the signature check found; null when none was asked for.
    pub signature: Option<CapturedSignature>,
    /// Why it could not be read to its end.
    pub problem: Option<String>,
    /// What is odd about it.
    pub notes: Vec<String>,
    /// The first bytes of a request that could not be read, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_bytes: Option<String>,
    /// What was answered; null while that is not finished.
    pub answer: Option<CapturedAnswer>,
}

/// One header line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedHeader {
    /// As received.
    pub name: String,
    /// As received, or redacted.
    pub value: String,
    /// The value's bytes, when they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
}

/// Size and kind of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedBody {
    /// Bytes that were kept.
    pub size: usize,
    /// Whether more came than was kept.
    pub cut: bool,
    /// What it is.
    pub content: Content,
    /// The body, when it was asked for and is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body, when it was asked for and is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// Which attempt of which delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedDelivery {
    /// The id the sender gave.
    pub id: String,
    /// The header it stood in, in lower case.
    pub header: String,
    /// Counted from 1.
    pub attempt: u32,
    /// Milliseconds since the attempt before; null for the first.
    pub gap_ms: Option<i64>,
}

/// What the signature check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedSignature {
    /// The scheme that was checked.
    pub preset: Preset,
    /// `ok`, `failed` or `missing`.
    pub verdict: Verdict,
    /// The verdict's reason in one line.
    pub text: String,
    /// Which accepted secret signed it, counted from 1.
    pub secret: Option<usize>,
    /// How many secrets are accepted.
    pub secrets: usize,
    /// Seconds since the timestamp; negative in the future.
    pub timestamp_age_s: Option<i64>,
    /// Everything that was found, the most telling first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Finding>>,
    /// The exact string that is to be signed, up to 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// Its bytes, when they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_base64: Option<String>,
    /// Whether the string is longer than what is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_cut: Option<bool>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapturedAnswer {
    /// Null when nothing was sent: the client was left hanging or reset.
    pub status: Option<u16>,
    /// As written, without framing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<CapturedHeader>>,
    /// Bytes of body that were sent; kept ones are at `/api/requests/{id}/answer/body`.
    pub body_size: u64,
    /// The body that was sent, when it was asked for and is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body that was sent, when it was asked for and is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Milliseconds from the end of the request to the end of the answer.
    pub after_ms: f64,
    /// When the client closed the connection before the answer, in milliseconds.
    pub hung_up_after_ms: Option<f64>,
    /// What else there is to say.
    pub note: Option<String>,
    /// What the app behind `--forward` said.
    pub forward: Option<CapturedForward>,
}

/// What became of a forwarded request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapturedForward {
    /// Where it went.
    pub url: String,
    /// What the app answered.
    pub status: Option<u16>,
    /// Why it did not answer.
    pub error: Option<String>,
    /// Milliseconds it took.
    pub after_ms: f64,
}

impl Captured {
    /// What a list shows.
    #[must_use]
    pub fn summary(record: &Record, redactor: Option<&Redactor>) -> Self {
        let head = record.head.as_ref();
        let text =
            |text: &str| redactor.map_or_else(|| text.to_owned(), |r| r.text(text).into_owned());
        Self {
            id: record.id,
            scope: record.scope.to_string(),
            received_at: rfc3339(record.received_at),
            method: record.method().to_owned(),
            target: text(&record.target()),
            target_base64: head.and_then(|head| base64_unless_text(head.target())),
            version: head.map_or_else(String::new, |head| head.version().as_str().to_owned()),
            remote: record.remote.to_string(),
            headers: None,
            trailers: None,
            body: CapturedBody {
                size: record.body.len(),
                cut: record.body_cut,
                content: record.content,
                text: None,
                base64: None,
            },
            event: record.event.clone(),
            delivery: record.delivery.as_ref().map(|delivery| CapturedDelivery {
                id: delivery.id.clone(),
                header: delivery.header.clone(),
                attempt: delivery.attempt,
                gap_ms: delivery.gap_ms,
            }),
            signature: record.diagnosis.as_ref().map(CapturedSignature::summary),
            problem: record.problem.clone(),
            notes: record.notes.clone(),
            first_bytes: None,
            answer: record
                .answer()
                .map(|answer| CapturedAnswer::summary(answer, redactor)),
        }
    }

    /// Everything but the body's bytes.
    #[must_use]
    pub fn detail(record: &Record, redactor: Option<&Redactor>) -> Self {
        let mut captured = Self::summary(record, redactor);
        captured.headers = Some(
            record
                .headers()
                .map(|(name, value)| header(name, value, redactor))
                .collect(),
        );
        let lines = |bytes: &[u8]| match redactor {
            Some(redactor) => redactor.lines(bytes).into_owned(),
            None => bytes.to_vec(),
        };
        captured.trailers = (!record.trailers.is_empty())
            .then(|| String::from_utf8_lossy(&lines(&record.trailers)).into_owned());
        captured.first_bytes =
            (!record.first_bytes.is_empty()).then(|| STANDARD.encode(lines(&record.first_bytes)));
        captured.signature = record
            .diagnosis
            .as_ref()
            .map(|diagnosis| CapturedSignature::whole(diagnosis, &record.body));
        captured.answer = CapturedAnswer::whole(record, redactor);
        captured
    }

    /// Everything, the bodies as well.
    #[must_use]
    pub fn with_body(record: &Record, redactor: Option<&Redactor>) -> Self {
        let mut captured = Self::detail(record, redactor);
        (captured.body.text, captured.body.base64) = shown_body(&record.body, redactor);
        if let (Some(shown), Some(answer)) = (&mut captured.answer, record.answer()) {
            (shown.text, shown.base64) = shown_body(&answer.body, redactor);
        }
        captured
    }
}

impl CapturedSignature {
    fn summary(diagnosis: &Diagnosis) -> Self {
        Self {
            preset: diagnosis.preset,
            verdict: diagnosis.verdict,
            text: diagnosis.text.clone(),
            secret: diagnosis.secret,
            secrets: diagnosis.secrets,
            timestamp_age_s: diagnosis.timestamp_age_s,
            findings: None,
            signed: None,
            signed_base64: None,
            signed_cut: None,
        }
    }

    /// With everything that was found, and the string that is to be signed.
    #[must_use]
    pub fn whole(diagnosis: &Diagnosis, body: &[u8]) -> Self {
        let signed = diagnosis.signed(body);
        let shown = match signed.get(..SIGNED_BYTES) {
            Some(head) => whole_letters(head),
            None => &signed[..],
        };
        Self {
            findings: Some(diagnosis.findings.clone()),
            signed: Some(String::from_utf8_lossy(shown).into_owned()),
            signed_base64: base64_unless_text(shown),
            signed_cut: Some(shown.len() < signed.len()),
            ..Self::summary(diagnosis)
        }
    }
}

impl CapturedAnswer {
    fn summary(answer: &Answer, redactor: Option<&Redactor>) -> Self {
        let text = |text: &String| {
            redactor.map_or_else(|| text.clone(), |redactor| redactor.text(text).into_owned())
        };
        Self {
            status: answer.status,
            headers: None,
            body_size: answer.body_size,
            text: None,
            base64: None,
            after_ms: milliseconds(answer.after),
            hung_up_after_ms: answer.hung_up_after.map(milliseconds),
            note: answer.note.as_ref().map(text),
            forward: answer.forward.as_ref().map(|forward| CapturedForward {
                url: text(&forward.url),
                status: forward.status,
                error: forward.error.clone(),
                after_ms: milliseconds(forward.after),
            }),
        }
    }

    /// With its headers; `None` while there is no answer.
    #[must_use]
    pub fn whole(record: &Record, redactor: Option<&Redactor>) -> Option<Self> {
        let answer = record.answer()?;
        let mut shown = Self::summary(answer, redactor);
        shown.headers = Some(
            answer
                .headers
                .iter()
                .map(|(name, value)| header(name, value.as_bytes(), redactor))
                .collect(),
        );
        Some(shown)
    }
}

fn header(name: &str, value: &[u8], redactor: Option<&Redactor>) -> CapturedHeader {
    let text = String::from_utf8_lossy(value);
    let shown = redactor.map_or_else(
        || text.clone().into_owned(),
        |redactor| redactor.header(name, &text).into_owned(),
    );
    CapturedHeader {
        name: name.to_owned(),
        // A value that was redacted must not come back as bytes.
        value_base64: (shown == text).then(|| base64_unless_text(value)).flatten(),
        value: shown,
    }
}

/// A body as text, or as base64 when it is none.
fn shown_body(body: &[u8], redactor: Option<&Redactor>) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(body) {
        Ok(text) => {
            let shown = redactor.map_or_else(|| text.to_owned(), |r| r.text(text).into_owned());
            (Some(shown), None)
        }
        Err(_) => (None, Some(STANDARD.encode(body))),
    }
}

/// What was cut off, without a letter that the cut went through.
fn whole_letters(cut: &[u8]) -> &[u8] {
    match std::str::from_utf8(cut) {
        Err(error) if error.error_len().is_none() => &cut[..error.valid_up_to()],
        _ => cut,
    }
}

fn base64_unless_text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes)
        .is_err()
        .then(|| STANDARD.encode(bytes))
}

fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Rounded to microseconds.
fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
