//! Turns a captured request from the API into a record again, so that everything that reads
//! records works on it: the log's own format, replays, the diagnosis.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::OnceLock,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serve::wire::Head;

use crate::{
    captured::{Captured, CapturedAnswer, CapturedHeader, CapturedSignature},
    diagnosis::Diagnosis,
    record::{Answer, Forwarded, Record},
};

/// The record with this body.
pub(crate) fn record(captured: &Captured, body: Bytes) -> Record {
    let answer = OnceLock::new();
    if let Some(told) = &captured.answer {
        // A fresh cell is empty.
        let _ = answer.set(self::answer(told));
    }
    Record {
        id: captured.id,
        scope: captured.scope.as_str().into(),
        received_at: captured
            .received_at
            .parse()
            .unwrap_or(Timestamp::UNIX_EPOCH),
        remote: captured
            .remote
            .parse()
            .unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        head: Head::parse(head(captured).into()).ok(),
        first_bytes: decoded(captured.first_bytes.as_ref()),
        body,
        body_cut: captured.body.cut,
        trailers: Bytes::from(captured.trailers.clone().unwrap_or_default()),
        problem: captured.problem.clone(),
        notes: captured.notes.clone(),
        comment: captured.comment.clone(),
        content: captured.body.content,
        event: captured.event.clone(),
        delivery: captured.delivery.clone(),
        diagnosis: captured.signature.as_ref().map(diagnosis),
        answer,
    }
}

/// The body that came with the request, as text or base64.
pub(crate) fn body(captured: &Captured) -> Bytes {
    match &captured.body.text {
        Some(text) => Bytes::from(text.clone()),
        None => decoded(captured.body.base64.as_ref()),
    }
}

/// When it was answered, as far as it can be known afterwards.
pub(crate) fn answered_at(record: &Record) -> Timestamp {
    record
        .answer()
        .and_then(|answer| jiff::SignedDuration::try_from(answer.after).ok())
        .and_then(|after| record.received_at.checked_add(after).ok())
        .unwrap_or(record.received_at)
}

/// The lines of the head as received; empty for a request that could not be read.
pub(crate) fn head(captured: &Captured) -> Vec<u8> {
    let mut raw = Vec::with_capacity(512);
    if captured.method.is_empty() {
        return raw;
    }
    raw.extend_from_slice(captured.method.as_bytes());
    raw.push(b' ');
    match &captured.target_base64 {
        Some(bytes) => raw.extend_from_slice(&STANDARD.decode(bytes).unwrap_or_default()),
        // Only a redaction puts spaces into a target.
        None => raw.extend_from_slice(captured.target.replace(' ', "%20").as_bytes()),
    }
    raw.push(b' ');
    raw.extend_from_slice(captured.version.as_bytes());
    raw.extend_from_slice(b"\r\n");
    for header in captured.headers.iter().flatten() {
        raw.extend_from_slice(header.name.as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(&value(header));
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"\r\n");
    raw
}

/// A header's value with its exact bytes.
pub(crate) fn value(header: &CapturedHeader) -> Vec<u8> {
    header
        .value_base64
        .as_ref()
        .and_then(|bytes| STANDARD.decode(bytes).ok())
        .unwrap_or_else(|| header.value.clone().into_bytes())
}

fn decoded(base64: Option<&String>) -> Bytes {
    base64
        .and_then(|text| STANDARD.decode(text).ok())
        .unwrap_or_default()
        .into()
}

fn diagnosis(told: &CapturedSignature) -> Diagnosis {
    Diagnosis {
        preset: told.preset,
        verdict: told.verdict,
        text: told.text.clone(),
        findings: told.findings.clone().unwrap_or_default(),
        secret: told.secret,
        secrets: told.secrets,
        timestamp_age_s: told.timestamp_age_s,
        // The API has the signed string as a whole, not in its parts; a part of it would be wrong.
        signed_prefix: match (&told.signed_base64, &told.signed, told.signed_cut) {
            (_, _, Some(true)) => String::new(),
            (Some(bytes), _, _) => bytes.clone(),
            (None, Some(text), _) => STANDARD.encode(text),
            (None, None, _) => String::new(),
        },
        body_is_signed: false,
    }
}

pub(crate) fn answer(told: &CapturedAnswer) -> Answer {
    Answer {
        status: told.status,
        headers: told
            .headers
            .iter()
            .flatten()
            .map(|header| (header.name.clone(), header.value.clone()))
            .collect(),
        body: Bytes::new(),
        body_size: told.body_size,
        after: milliseconds(told.after_ms),
        hung_up_after: told.hung_up_after_ms.map(milliseconds),
        note: told.note.clone(),
        forward: told.forward.as_ref().map(|forward| Forwarded {
            url: forward.url.clone(),
            status: forward.status,
            error: forward.error.clone(),
            after: milliseconds(forward.after_ms),
        }),
    }
}

fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}
