//! One request in detail, and copies of it.

use std::sync::Arc;

use axum::{
    extract::{Path, Query as Params, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    body::{self, Tab, View, visible},
    list::{Row, clock},
    send_form::{Answered, editable},
    timeline::{Stop, timeline},
    verdict::VerdictCard,
};
use crate::{
    api::{query::Query, shared::Shared},
    captured::{Captured, CapturedHeader},
    curl,
    diagnosis::{Diagnosis, Preset, Verdict, preset_of},
    difference::{Difference, FIRST_BYTES, differences},
    recall,
    record::Record,
    redact::Redactor,
    resend,
    sent_again::SentAgain,
};

/// Everything that the page says about one request.
pub(super) struct Detail {
    pub(super) row: Row,
    /// With milliseconds.
    pub(super) time: String,
    pub(super) remote: String,
    pub(super) version: String,
    pub(super) headers: Vec<CapturedHeader>,
    pub(super) trailers: String,
    pub(super) notes: Vec<String>,
    pub(super) tabs: Vec<Tab>,
    pub(super) view: View,
    pub(super) verdict: Option<VerdictCard>,
    pub(super) answer_headers: Vec<CapturedHeader>,
    pub(super) answer_body: String,
    pub(super) answer_notes: Vec<String>,
    pub(super) delivery: String,
    pub(super) delivery_header: String,
    pub(super) timeline: Vec<Stop>,
    /// The previous attempt, or else the previous request: the first choice for a comparison.
    pub(super) before: Option<u64>,
    pub(super) attempt_before: Option<u64>,
    /// Where "send again" goes by default.
    pub(super) again: String,
    /// The body to edit, if it is text.
    pub(super) editable: Option<String>,
    pub(super) can_sign: bool,
    pub(super) replayed: Option<Answered>,
    pub(super) sent_again: Vec<SentLine>,
    /// The scheme that a pasted secret would check, if there is a signature to check.
    pub(super) checkable: Option<Preset>,
    pub(super) comparison: Option<Comparison>,
}

/// Two requests, side by side where they differ.
pub(super) struct Comparison {
    pub(super) with: u64,
    pub(super) differences: Vec<Difference>,
}

/// How much of an answer's body is shown.
const ANSWER_BYTES: usize = 64 * 1024;

impl Detail {
    pub(super) fn of(
        shared: &Shared,
        record: &Arc<Record>,
        all: &[Arc<Record>],
        tab: Option<&str>,
    ) -> Self {
        let redactor = &shared.polis.redactor;
        let captured = Captured::detail(record, Some(redactor));
        let row = Row::of(record, redactor);
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
                (Some(status), Some(error)) => format!(
                    "the app at {} answered {status} in {} ms, then: {error}",
                    forward.url, forward.after_ms
                ),
                (Some(status), None) => format!(
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
            time: clock(record.received_at, "%H:%M:%S%.3f"),
            remote: captured.remote,
            version: captured.version,
            headers: captured.headers.unwrap_or_default(),
            trailers: captured.trailers.unwrap_or_default(),
            notes: captured.notes,
            tabs: body::tabs(record),
            view: View::of(record, redactor, tab),
            verdict: VerdictCard::of(shared, record),
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
            attempt_before,
            // Never the request's own Host: otherwise its sender would choose where a key press sends a request.
            again: answer
                .and_then(|answer| answer.forward.as_ref())
                .map_or_else(|| shared.polis.capture_url(), |forward| forward.url.clone()),
            editable: editable(record, redactor),
            can_sign: shared
                .polis
                .scopes
                .find(&record.scope)
                .is_some_and(|scope| scope.settings().verification.is_some()),
            replayed: None,
            sent_again: (shared.polis.replays.of(record.id).into_iter())
                .map(|sent| SentLine::of(sent, redactor))
                .collect(),
            checkable: checkable(shared, record),
            comparison: None,
            row,
        }
    }

    /// The presets to choose from for a pasted secret.
    pub(super) fn presets(&self) -> impl Iterator<Item = (String, bool)> {
        Preset::all().map(|preset| (preset.to_string(), self.checkable == Some(preset)))
    }

    /// Fills the fields of "send again" with what was sent.
    pub(super) fn sent(&mut self, answered: Answered) {
        self.again = answered.form.to.clone();
        if self.editable.is_some() && answered.form.body.is_some() {
            self.editable = answered.form.body.clone();
        }
        self.replayed = Some(answered);
    }

    /// Adds the comparison with another request.
    pub(super) fn compare(&mut self, shared: &Shared, record: &Record, other: &Record) {
        let redactor = &shared.polis.redactor;
        let hide = |place: &str, text: Option<String>| {
            text.map(|text| {
                if place.starts_with(FIRST_BYTES) || place.starts_with("trailers") {
                    return String::from_utf8_lossy(&redactor.lines(text.as_bytes())).into_owned();
                }
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

/// One line of what was sent again.
pub(super) struct SentLine {
    pub(super) time: String,
    pub(super) to: String,
    /// `answered 200`, or why there was no answer.
    pub(super) outcome: String,
    pub(super) class: &'static str,
    /// `edited, re-signed`
    pub(super) how: &'static str,
}

impl SentLine {
    fn of(sent: SentAgain, redactor: &Redactor) -> Self {
        let (class, outcome) = match sent.outcome {
            Ok(status @ 200..=299) => ("ok", format!("answered {status}")),
            Ok(status) => ("bad", format!("answered {status}")),
            Err(error) => ("bad", error),
        };
        Self {
            time: clock(sent.at, "%H:%M:%S"),
            to: redactor.text(&sent.to).into_owned(),
            outcome,
            class,
            how: match (sent.is_edited, sent.is_resigned) {
                (true, true) => ", edited, re-signed",
                (true, false) => ", edited",
                (false, true) => ", re-signed",
                (false, false) => "",
            },
        }
    }
}

/// The preset that its scope checks, else the one whose header it has; `None` if the check is ok.
fn checkable(shared: &Shared, record: &Record) -> Option<Preset> {
    let is_ok = |diagnosis: &Diagnosis| diagnosis.verdict == Verdict::Ok;
    if record.diagnosis.as_ref().is_some_and(is_ok) {
        return None;
    }
    let carried = record.head.as_ref().and_then(preset_of)?;
    let scope = shared.polis.scopes.find(&record.scope);
    let settings = scope.map(|scope| scope.settings());
    let checked = settings.and_then(|settings| Some(settings.verification.as_ref()?.preset));
    Some(checked.unwrap_or(carried))
}

/// The record without credentials; the same one if it has none.
fn redacted(record: &Arc<Record>, redactor: &Redactor) -> Arc<Record> {
    let hidden = Captured::with_body(record, Some(redactor));
    if hidden == Captured::with_body(record, None) {
        return Arc::clone(record);
    }
    let body = recall::body(&hidden);
    Arc::new(recall::record(&hidden, body))
}

/// The request as text to copy, credentials only when they are asked for: curl, or the bytes as received (without chunk framing).
pub(super) async fn copy(
    State(shared): State<Shared>,
    Path((id, form)): Path<(u64, String)>,
    Params(query): Params<Query>,
) -> Response {
    let record = match shared.record(id) {
        Ok(record) => record,
        Err(error) => return error.into_response(),
    };
    let record = match query.redactor(&shared) {
        Some(redactor) => redacted(&record, redactor),
        None => record,
    };
    let copied = match form.as_str() {
        "curl" => curl::command(&record).map(String::into_bytes),
        "raw" => resend::check(&record).map(|()| {
            let head = record.head.as_ref().map_or(&[][..], |head| &head.raw()[..]);
            [head, &record.body[..]].concat()
        }),
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

/// A body that is an image, sent so that a browser shows it and does nothing else with it.
pub(super) async fn image(State(shared): State<Shared>, Path(id): Path<u64>) -> Response {
    let record = match shared.record(id) {
        Ok(record) => record,
        Err(error) => return error.into_response(),
    };
    let Some(kind) = body::image(&record) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let safe = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (safe, record.body.clone()).into_response()
}
