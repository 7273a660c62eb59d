//! One request in detail, and copies of it.

use std::sync::Arc;

use axum::{
    extract::{Path, Query as Params, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    body::{BodyViews, visible},
    list::Row,
    timeline::{Stop, timeline},
};
use crate::{
    api::{
        Captured, CapturedHeader, Replayed, Shared, query::Query, requests::visible as admitted,
    },
    cli::recall,
    curl,
    difference::{Difference, differences},
    record::Record,
    snippet,
};

/// Everything the page says of one request.
pub(super) struct Detail {
    pub(super) row: Row,
    pub(super) remote: String,
    pub(super) version: String,
    pub(super) headers: Vec<CapturedHeader>,
    pub(super) trailers: String,
    pub(super) notes: Vec<String>,
    pub(super) body: BodyViews,
    pub(super) signature: Option<SignatureView>,
    pub(super) answer_headers: Vec<CapturedHeader>,
    pub(super) answer_body: String,
    pub(super) answer_notes: Vec<String>,
    pub(super) delivery: String,
    pub(super) delivery_header: String,
    pub(super) timeline: Vec<Stop>,
    /// The attempt before, or the request before: what one compares with first.
    pub(super) before: Option<u64>,
    /// Where it goes when it is sent again: here, whatever its sender called the host.
    pub(super) to: String,
    pub(super) replayed: Option<Result<Replayed, String>>,
    pub(super) comparison: Option<Comparison>,
}

/// What the check found, in sentences, and the string that is signed.
pub(super) struct SignatureView {
    pub(super) class: &'static str,
    pub(super) text: String,
    pub(super) preset: String,
    pub(super) findings: Vec<String>,
    pub(super) signed: String,
    pub(super) signed_cut: bool,
}

/// Two requests, side by side where they differ.
pub(super) struct Comparison {
    pub(super) with: u64,
    pub(super) differences: Vec<Difference>,
}

/// What of an answer's body is shown.
const ANSWER_BYTES: usize = 64 * 1024;

impl Detail {
    pub(super) fn of(shared: &Shared, record: &Arc<Record>, all: &[Arc<Record>]) -> Self {
        let redactor = &shared.polis.redactor;
        let captured = Captured::detail(record, Some(redactor));
        let row = Row::of(record, redactor);
        let signature = captured.signature.as_ref().map(|signature| SignatureView {
            class: row.signature,
            text: signature.text.clone(),
            preset: signature.preset.to_string(),
            findings: signature
                .findings
                .iter()
                .flatten()
                .map(|finding| finding.text.clone())
                .collect(),
            signed: marked(signature.signed.as_deref().unwrap_or_default()),
            signed_cut: signature.signed_cut.unwrap_or_default(),
        });
        let timeline = timeline(record, all);
        let attempt_before = timeline
            .iter()
            .rev()
            .find(|stop| stop.id < record.id)
            .map(|stop| stop.id);
        let before =
            attempt_before.or_else(|| all.iter().map(|other| other.id).find(|id| *id < record.id));
        let answer = record.answer();
        let answer_body = answer.map_or_else(String::new, |answer| {
            let shown = &answer.body[..answer.body.len().min(ANSWER_BYTES)];
            redactor
                .text(&visible(&String::from_utf8_lossy(shown)))
                .into_owned()
        });
        let mut answer_notes: Vec<String> = answer
            .and_then(|answer| answer.note.clone())
            .into_iter()
            .collect();
        if let Some(forward) = captured
            .answer
            .as_ref()
            .and_then(|answer| answer.forward.as_ref())
        {
            answer_notes.push(match (&forward.status, &forward.error) {
                (Some(status), _) => format!(
                    "the app at {} answered {status} in {} ms",
                    forward.url, forward.after_ms
                ),
                (None, error) => format!(
                    "the app at {} did not answer: {}",
                    forward.url,
                    error.as_deref().unwrap_or("no reason is known")
                ),
            });
        }
        Self {
            remote: captured.remote,
            version: captured.version,
            headers: captured.headers.unwrap_or_default(),
            trailers: captured.trailers.unwrap_or_default(),
            notes: captured.notes,
            body: BodyViews::of(record, redactor),
            signature,
            answer_headers: captured
                .answer
                .and_then(|answer| answer.headers)
                .unwrap_or_default(),
            answer_body,
            answer_notes,
            delivery: captured
                .delivery
                .as_ref()
                .map(|delivery| delivery.id.clone())
                .unwrap_or_default(),
            delivery_header: captured
                .delivery
                .map(|delivery| delivery.header)
                .unwrap_or_default(),
            timeline,
            before,
            to: shared.polis.capture_url(),
            replayed: None,
            comparison: None,
            row,
        }
    }

    /// Adds the comparison with another request.
    pub(super) fn compare(&mut self, shared: &Shared, record: &Record, other: &Record) {
        let redactor = &shared.polis.redactor;
        let hide = |place: &str, text: Option<String>| {
            text.map(|text| {
                let name = place.strip_prefix("header.").unwrap_or_default();
                let name = name.split(' ').next().unwrap_or_default();
                visible(&redactor.header(name, &text))
            })
        };
        let differences = differences(other, record)
            .into_iter()
            .map(|Difference { place, a, b }| Difference {
                a: hide(&place, a),
                b: hide(&place, b),
                place,
            })
            .collect();
        self.comparison = Some(Comparison {
            with: other.id,
            differences,
        });
    }
}

/// The signed string with what cannot be seen made visible.
fn marked(text: &str) -> String {
    visible(&text.replace('\n', "\u{240a}\n"))
}

/// The request as text to copy: curl, httpie, reqwest or raw.
pub(super) async fn copy(
    State(shared): State<Shared>,
    Path((id, form)): Path<(u64, String)>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Response {
    let record = match admitted(&shared, id, &query, &headers) {
        Ok(record) => record,
        Err(error) => return error.into_response(),
    };
    // Credentials stay out of what is pasted elsewhere, unless they are asked for.
    let record = match query.redactor(&shared) {
        Some(redactor) => {
            let shown = Captured::detail(&record, Some(redactor));
            Arc::new(recall::record(&shown, record.body.clone()))
        }
        None => record,
    };
    let copied = match form.as_str() {
        "curl" => curl::command(&record).map(String::into_bytes),
        "httpie" => snippet::httpie(&record).map(String::into_bytes),
        "reqwest" => snippet::reqwest(&record).map(String::into_bytes),
        "raw" => snippet::raw(&record),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match copied {
        Ok(bytes) => {
            let safe = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (safe, bytes).into_response()
        }
        Err(reason) => (StatusCode::CONFLICT, reason).into_response(),
    }
}
