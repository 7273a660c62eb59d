//! A request and its response on one connection. The response counts as soon as its headers are there; its body is
//! read only briefly, for the record, and changes nothing.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, Response, header};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use super::{
    connection::Connection,
    machine::{lost_network, wait_for},
    outcome::{SendError, of_exchange},
    pool::Pool,
    request::Request,
};
use crate::attempt::{
    BodyCut, Failure, RESPONSE_BODY_LIMIT, RESPONSE_BYTES_MAX, RESPONSE_HEAD_BYTES,
    RESPONSE_HEADERS_BYTES,
};

/// The maximum number of pieces of a body that are read; 64 KiB with one TCP segment per piece are 45.
const BODY_PIECES_MAX: usize = 1_024;
/// After this many pieces other tasks get their turn: this many may have arrived at once.
const BODY_PIECES_AT_ONCE: usize = 32;

/// The time by which a response must have arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        Self {
            at: Instant::now() + limit,
            limit,
        }
    }

    pub(super) fn failure(self) -> Failure {
        Failure::Timeout(self.limit)
    }
}

/// The part of a response that is kept.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `name: value` lines.
    pub(super) headers: String,
    pub(super) body_head: Vec<u8>,
    pub(super) body_cut: Option<BodyCut>,
    /// As the receiver wrote it.
    pub(super) retry_after: Option<String>,
}

/// There was no response.
pub(super) struct Unanswered {
    pub(super) error: SendError,
    /// Whether the connection broke before a single byte came back: a server may close a kept connection at any
    /// moment.
    pub(super) in_silence: bool,
}

/// Makes a request. The response headers must arrive by the deadline.
pub(super) async fn exchange(
    pool: &Arc<Pool>,
    mut connection: Connection,
    request: Request,
    deadline: Deadline,
) -> Result<Answer, Unanswered> {
    let receiver = [connection.peer().address];
    let sent = wait_for(&receiver, deadline.at, connection.send(request)).await;
    let (failure, lost, broke) = match sent {
        Ok(Ok(response)) => return Ok(receive(pool, connection, response, deadline).await),
        Ok(Err(error)) => (of_exchange(&error), lost_network(&receiver), true),
        Err(lost) => (deadline.failure(), lost, false),
    };
    let answered = connection.has_answered();
    let lost = lost.filter(|_| !answered);
    Err(Unanswered {
        error: lost.map_or(failure.into(), SendError::from),
        in_silence: broke && !answered,
    })
}

/// Reads the response body for as long as it may take, and keeps the connection if it can be used again.
async fn receive(
    pool: &Arc<Pool>,
    mut connection: Connection,
    response: Response<Incoming>,
    deadline: Deadline,
) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: header_lines(&head.headers),
        body_head: Vec::new(),
        body_cut: None,
        retry_after: text_of(&head.headers, &header::RETRY_AFTER),
    };
    if !body.is_end_stream() {
        let deadline = deadline.at.min(Instant::now() + RESPONSE_BODY_LIMIT);
        let reading = read_body(&mut connection, &mut body, &mut answer.body_head);
        answer.body_cut = tokio::time::timeout_at(deadline, reading)
            .await
            .unwrap_or(Some(BodyCut::Time));
    }
    if answer.body_cut.is_none() && connection.is_ready().await {
        pool.park(connection, kept_for(&head.headers));
    }
    answer
}

/// Reads a body, and returns why it was not read to its end.
async fn read_body(
    connection: &mut Connection,
    body: &mut Incoming,
    start: &mut Vec<u8>,
) -> Option<BodyCut> {
    let (mut size, mut pieces) = (0, 0);
    while let Some(piece) = connection.next_piece(body).await {
        let Ok(piece) = piece else {
            return Some(BodyCut::Broken);
        };
        let bytes = piece.data_ref().map_or(&[][..], |bytes| bytes);
        let room = RESPONSE_HEAD_BYTES.saturating_sub(start.len());
        start.extend_from_slice(&bytes[..bytes.len().min(room)]);
        size += bytes.len();
        pieces += 1;
        if size > RESPONSE_BYTES_MAX || pieces > BODY_PIECES_MAX {
            return Some(BodyCut::Length);
        }
        if pieces % BODY_PIECES_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
    None
}

fn header_lines(headers: &HeaderMap) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if lines.len() + name.as_str().len() + value.len() + 3 > RESPONSE_HEADERS_BYTES {
            break;
        }
        lines.push_str(name.as_str());
        lines.push_str(": ");
        // No header value that hyper accepts contains a line break; one converted lossily must not either.
        lines.extend(value.chars().filter(|c| *c != '\n' && *c != '\r'));
        lines.push('\n');
    }
    lines
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// How long the server keeps the connection open: `Keep-Alive: timeout=5`.
fn kept_for(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = value
        .split(',')
        .find_map(|part| part.trim().strip_prefix("timeout="))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
