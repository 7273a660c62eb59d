//! `POST /status/<text>`: Twilio's reports on a text, signed by Twilio, in any order.

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
};
use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use crate::{
    outcome::words,
    text::{State as TextState, Text},
    texter::Texter,
    twilio,
};

/// A report has about ten fields.
pub(crate) const REPORT_BYTES_MAX: usize = 16 * 1024;

#[derive(Default)]
struct Report {
    sid: String,
    status: String,
    code: Option<i64>,
    message: Option<String>,
}

/// Accepts a report and answers 204, even if it is late or its status is unknown.
pub(crate) async fn report(
    State(texter): State<Texter>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> StatusCode {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return rejection.status(),
    };
    let parts = texter.parts();
    let Some(callbacks) = &parts.callbacks else {
        tracing::warn!("refused a status report: Twilio was given no URL for it (PUBLIC_URL)");
        return StatusCode::UNAUTHORIZED;
    };
    if let Err(error) = callbacks.check.check(&callbacks.url(&id), &headers, &body) {
        tracing::warn!(%error, "refused a status report: its signature does not verify");
        return StatusCode::UNAUTHORIZED;
    }
    let report = read(&body);
    if report.sid.is_empty() || report.status.is_empty() {
        tracing::warn!("refused a status report: MessageSid or MessageStatus is missing");
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    let Some(state) = TextState::of_twilio(&report.status) else {
        tracing::info!(
            text.sid = report.sid,
            "ignored an unknown status from Twilio"
        );
        return StatusCode::NO_CONTENT;
    };
    let reason = twilio::reason(report.code, report.message.as_deref());
    let advanced = parts
        .ledger
        .advance(&id, &report.sid, state, reason, parts.now())
        .await;
    match advanced {
        Ok(Some(text)) => {
            tell(&text, &report.sid);
            parts.announce(&text);
            StatusCode::NO_CONTENT
        }
        Ok(None) => explain(&texter, &id, &report).await,
        Err(error) => {
            tracing::error!(%error, "a status report could not be stored");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// A text's final status belongs in the log; the steps before it are detail.
fn tell(text: &Text, sid: &str) {
    let (event, number, status) = (text.event(), text.number(), text.state.status());
    match (&text.reason, text.state) {
        (reason, TextState::Undelivered | TextState::Failed) => {
            let reason = words(reason.as_ref());
            tracing::warn!(
                event.id = event,
                text.sid = sid,
                reason,
                "{number} did not reach the phone"
            );
        }
        (_, TextState::Delivered) => {
            tracing::info!(
                event.id = event,
                text.sid = sid,
                "{number} delivered to the phone"
            );
        }
        _ => tracing::debug!(event.id = event, text.sid = sid, "{number} is {status}"),
    }
}

/// Why a report changed nothing.
async fn explain(texter: &Texter, id: &str, report: &Report) -> StatusCode {
    match texter.parts().ledger.named(id).await {
        Ok(Some(text)) if text.sid.as_deref() == Some(&report.sid) => {
            tracing::debug!(
                text.sid = report.sid,
                text.status = text.state.status(),
                "ignored a late status; the text is already past it"
            );
            StatusCode::NO_CONTENT
        }
        Ok(Some(text)) => {
            tracing::warn!(
                event.id = text.event(),
                text.sid = text.sid.as_deref().unwrap_or("(none)"),
                reported.sid = report.sid,
                "Twilio reported on a second text for the same event"
            );
            StatusCode::NO_CONTENT
        }
        Ok(None) => {
            tracing::warn!(
                text.sid = report.sid,
                "refused a status report: no such text is known"
            );
            StatusCode::NOT_FOUND
        }
        Err(error) => {
            tracing::error!(%error, "a status report could not be compared");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

fn read(body: &[u8]) -> Report {
    let mut report = Report::default();
    for (key, value) in form_urlencoded::parse(body) {
        match &*key {
            "MessageSid" => report.sid = value.into_owned(),
            "MessageStatus" => report.status = value.into_owned(),
            "ErrorCode" => report.code = value.parse().ok(),
            "ErrorMessage" => report.message = Some(value.into_owned()),
            _ => {}
        }
    }
    report
}
