//! A captured request in JSON, for the page, the command line and every other reader.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    content::Content,
    delivery::Delivery,
    diagnosis::{Diagnosis, Finding, Preset, Verdict},
    record::{Answer, Record},
    redact::Redactor,
};

/// How much of the signed string is shown; bodies of megabytes are at `/body`.
const SIGNED_BYTES: usize = 64 * 1024;

/// One captured request.
///
/// Lists and the event stream leave out the large parts: `headers`, `trailers`,
/// `first_bytes`, `signature.findings`, `signature.signed` and the answer's headers. The
/// detail of one request has them. Bytes that are not UTF-8 are in a `_base64` field next to a
/// text in which they are replaced. `openapi.json` says what each field means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Captured {
    pub(crate) id: u64,
    pub(crate) scope: String,
    pub(crate) received_at: String,
    pub(crate) method: String,
    pub(crate) target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target_base64: Option<String>,
    pub(crate) version: String,
    pub(crate) remote: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Vec<CapturedHeader>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trailers: Option<String>,
    pub(crate) body: CapturedBody,
    pub(crate) event: Option<String>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) signature: Option<CapturedSignature>,
    pub(crate) problem: Option<String>,
    pub(crate) notes: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) comment: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_bytes: Option<String>,
    pub(crate) answer: Option<CapturedAnswer>,
}

/// One header line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CapturedHeader {
    pub(crate) name: String,
    pub(crate) value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value_base64: Option<String>,
}

/// Size and kind of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CapturedBody {
    pub(crate) size: usize,
    pub(crate) cut: bool,
    pub(crate) content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<String>,
}

/// What the signature check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CapturedSignature {
    pub(crate) preset: Preset,
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
    pub(crate) secret: Option<usize>,
    pub(crate) secrets: usize,
    pub(crate) timestamp_age_s: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) findings: Option<Vec<Finding>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed_cut: Option<bool>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CapturedAnswer {
    pub(crate) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Vec<CapturedHeader>>,
    pub(crate) body_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<String>,
    pub(crate) after_ms: f64,
    pub(crate) hung_up_after_ms: Option<f64>,
    pub(crate) note: Option<String>,
    pub(crate) forward: Option<CapturedForward>,
}

/// What became of a forwarded request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CapturedForward {
    pub(crate) url: String,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) after_ms: f64,
}

impl Captured {
    /// What a list shows.
    pub(crate) fn summary(record: &Record, redactor: Option<&Redactor>) -> Self {
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
            delivery: record.delivery.clone(),
            signature: record.diagnosis.as_ref().map(CapturedSignature::summary),
            problem: record.problem.clone(),
            notes: record.notes.clone(),
            comment: record.comment.clone(),
            first_bytes: None,
            answer: record
                .answer()
                .map(|answer| CapturedAnswer::summary(answer, redactor)),
        }
    }

    /// Everything but the body's bytes.
    pub(crate) fn detail(record: &Record, redactor: Option<&Redactor>) -> Self {
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

    /// Everything, including the bodies.
    pub(crate) fn with_body(record: &Record, redactor: Option<&Redactor>) -> Self {
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

    /// With everything that was found, and the string that must be signed.
    pub(crate) fn whole(diagnosis: &Diagnosis, body: &[u8]) -> Self {
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
    pub(crate) fn whole(record: &Record, redactor: Option<&Redactor>) -> Option<Self> {
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
        // A redacted value must not reappear as bytes.
        value_base64: (shown == text).then(|| base64_unless_text(value)).flatten(),
        value: shown,
    }
}

/// A body as text, or as base64 if it is not text.
fn shown_body(body: &[u8], redactor: Option<&Redactor>) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(body) {
        Ok(text) => {
            let shown = redactor.map_or_else(|| text.to_owned(), |r| r.text(text).into_owned());
            (Some(shown), None)
        }
        Err(_) => (None, Some(STANDARD.encode(body))),
    }
}

/// The text before a cut, without the character that the cut went through.
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
