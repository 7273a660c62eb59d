//! A line of the list: a request at first glance.

use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};

use crate::{diagnosis::Verdict, record::Record, redact::Redactor, terminal::size};

/// One request in the list.
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) at: String,
    pub(super) time: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) event: String,
    pub(super) size: String,
    pub(super) kind: &'static str,
    pub(super) scope: String,
    /// `ok`, `bad`, `warn`, or empty if signatures are not checked.
    pub(super) signature: &'static str,
    /// `sig ok`, `sig failed`, `no signature`, or empty.
    pub(super) signature_word: &'static str,
    pub(super) signature_text: String,
    /// `attempt 3, +30.1 s`
    pub(super) attempt: String,
    pub(super) answer: String,
    /// `ok`, `bad`, `warn`, `hung` if the client did not wait for it, or `soft` while there is
    /// none.
    pub(super) answer_class: &'static str,
    /// `the client hung up at 2.01 s`, or empty.
    pub(super) hung_up: String,
    pub(super) problem: String,
    pub(super) comment: String,
}

impl Row {
    pub(super) fn of(record: &Arc<Record>, redactor: &Redactor) -> Self {
        let (signature, signature_text) = signature(record);
        let (answer_class, answer) = answer(record);
        let read = record.head.is_some();
        Self {
            id: record.id,
            at: format!("{:.3}", record.received_at),
            time: clock(record.received_at, "%H:%M:%S"),
            method: if read {
                record.method().to_owned()
            } else {
                "?".to_owned()
            },
            target: redactor.text(&record.target()).into_owned(),
            event: record.event.clone().unwrap_or_default(),
            size: size(record.body.len() as u64),
            kind: record.content.word(),
            scope: record.scope.to_string(),
            signature,
            signature_word: match signature {
                "ok" => "sig ok",
                "bad" => "sig failed",
                "warn" => "no signature",
                _ => "",
            },
            signature_text,
            attempt: attempt(record),
            answer,
            answer_class,
            hung_up: hung_up(record),
            problem: record.problem.clone().unwrap_or_default(),
            comment: record.comment.clone(),
        }
    }
}

/// The time of day where polis runs.
pub(super) fn clock(at: Timestamp, format: &str) -> String {
    at.to_zoned_datetime(TimeZone::system())
        .strftime(format)
        .to_string()
}

/// Class and words for a signature.
pub(super) fn signature(record: &Record) -> (&'static str, String) {
    match &record.diagnosis {
        None => ("", String::new()),
        Some(diagnosis) => {
            let class = match diagnosis.verdict {
                Verdict::Ok => "ok",
                Verdict::Failed => "bad",
                Verdict::Missing => "warn",
            };
            (class, diagnosis.text.clone())
        }
    }
}

/// Class and words for an answer.
pub(super) fn answer(record: &Record) -> (&'static str, String) {
    let Some(answer) = record.answer() else {
        return ("soft", "no answer yet".to_owned());
    };
    let after = seconds(answer.after.as_secs_f64());
    let class = match answer.status {
        _ if answer.hung_up_after.is_some() => "hung",
        Some(200..=299) => "ok",
        Some(300..=399) => "warn",
        _ => "bad",
    };
    let text = match answer.status {
        Some(status) => format!("{status} after {after}"),
        None => format!("none after {after}"),
    };
    (class, text)
}

/// When the client closed the connection before the answer; empty if it did not.
pub(super) fn hung_up(record: &Record) -> String {
    let at = record.answer().and_then(|answer| answer.hung_up_after);
    at.map(|at| format!("the client hung up at {}", seconds(at.as_secs_f64())))
        .unwrap_or_default()
}

fn attempt(record: &Record) -> String {
    match &record.delivery {
        Some(delivery) => match delivery.gap_ms {
            Some(gap) => format!("attempt {}, +{}", delivery.attempt, gap_text(gap)),
            None => format!("attempt {}", delivery.attempt),
        },
        None => String::new(),
    }
}

/// A gap between attempts.
pub(super) fn gap_text(gap_ms: i64) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "gaps of retries are far below 2^52 ms"
    )]
    seconds(gap_ms as f64 / 1e3)
}

fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.2} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}
