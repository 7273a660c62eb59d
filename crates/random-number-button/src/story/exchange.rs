//! One attempt opened up: the request that was sent, explained, and the answer that came.

use crate::journey::{Reply, Try};

/// What the engine reports for an address where nothing is listening.
const REFUSED: &str = "connection refused";

/// An attempt's request and answer as the page shows them.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Identifies the attempt and its leg, for the script that keeps it open.
    pub(crate) key: String,
    pub(crate) attempt: u32,
    /// Whether it is open until somebody opens or closes it.
    pub(crate) open: bool,
    /// What was sent; `None` if nothing was, or an earlier run sent it.
    pub(crate) request: Option<Request>,
    /// Why no request is shown.
    pub(crate) no_request: &'static str,
    /// The status line of the answer, such as `201 Created`.
    pub(crate) status: Option<String>,
    /// What the status means.
    pub(crate) meaning: String,
    pub(crate) answer_headers: Vec<Header>,
    pub(crate) answer_body: String,
    /// Where polis shows this very request.
    pub(crate) in_polis: Option<String>,
}

/// The request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: String,
}

/// One header line, with its purpose if that is not obvious.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) note: &'static str,
}

impl Exchange {
    /// The exchange of `attempt`; `key` names it on the page.
    pub(super) fn of(attempt: &Try, key: String) -> Self {
        let request = attempt.request.as_ref().map(|sent| Request {
            url: sent.url.clone(),
            headers: sent.headers.iter().map(header).collect(),
            body: sent.body.clone(),
        });
        let Reply { headers, body } = attempt.answer.clone().unwrap_or_default();
        Self {
            key,
            attempt: attempt.number,
            open: false,
            request,
            no_request: match (&attempt.failure, attempt.status) {
                (Some(failure), None) if failure == REFUSED => {
                    "Nothing was sent: nothing is listening there, so the connection was refused."
                }
                (_, None) => {
                    "No connection was made, or an earlier run of the button made this request and it was not kept."
                }
                (_, Some(_)) => "An earlier run of the button made this request; it was not kept.",
            },
            status: attempt.status.map(status_line),
            meaning: meaning(attempt),
            answer_headers: headers.iter().map(plain).collect(),
            answer_body: body,
            in_polis: None,
        }
    }
}

fn meaning(attempt: &Try) -> String {
    match attempt.status {
        None => "No answer, so the button sends the same webhook again.".to_owned(),
        Some(200..=299) => {
            "Any status from 200 to 299 means “I have it”. After any other status, or no answer, the button \
             would send the same webhook again: after 5 seconds, then less and less often, for three days."
                .to_owned()
        }
        Some(_) => {
            "Not a status from 200 to 299, so the button sends the same webhook again.".to_owned()
        }
    }
}

fn status_line(status: u16) -> String {
    let reason = axum::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    match reason {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

fn plain((name, value): &(String, String)) -> Header {
    Header {
        name: name.clone(),
        value: value.clone(),
        note: "",
    }
}

fn header(line: &(String, String)) -> Header {
    Header {
        note: note(&line.0),
        ..plain(line)
    }
}

/// What a header of a webhook is for, in one line.
fn note(name: &str) -> &'static str {
    match name {
        "webhook-id" => {
            "The event’s id. A retry carries the same id, so the receiver notices an event that it already has."
        }
        "webhook-timestamp" => {
            "When this request was made, in seconds since 1970. The receiver refuses old requests."
        }
        "webhook-signature" => {
            "The proof that it is genuine: made from id, timestamp and body with a secret that only sender and \
             receiver know (HMAC-SHA256). The receiver computes it too, and the two \
             must be equal."
        }
        "content-type" => "The body is JSON.",
        _ => "",
    }
}
