//! Writes an answer: its head with header names exactly as given, its body at the requested pace.

use std::{fmt::Write as _, io, time::Duration};

use bytes::Bytes;
use serve::wire::is_hop_by_hop;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::{
    answer::{Plan, PlannedBody},
    outbound::AppAnswer,
    record::{Forwarded, Record},
};

/// How long a client may go without reading any bytes of its answer.
const WRITE_SILENCE: Duration = Duration::from_secs(30);
/// The size up to which a body goes out together with its head.
const SMALL_BYTES: usize = 16 * 1024;
/// How much of a larger body is written at once.
const PIECE_BYTES: usize = 256 * 1024;
/// How much of a generated body is written at once.
const HUGE_PIECE: [u8; 16 * 1024] = [b'.'; 16 * 1024];
/// The body for a slow answer if there is none to echo: one dot per pause, for about a minute.
const SLOW_BODY: &[u8] = b"............................................................";

/// An answer ready to be written.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: ReplyBody,
    slow: Option<Duration>,
}

#[derive(Debug)]
enum ReplyBody {
    Bytes(Bytes),
    Huge(u64),
}

/// What was written.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body_size: u64,
    /// Why the answer did not get through.
    pub(super) error: Option<String>,
}

impl Reply {
    /// The answer a plan asks for.
    pub(super) fn planned(plan: &Plan, record: &Record) -> Self {
        let mut headers: Vec<(String, Vec<u8>)> = plan
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
            .collect();
        let body = match &plan.body {
            PlannedBody::Echo => {
                if let Some(kind) = record
                    .header("content-type")
                    .filter(|kind| kind.bytes().all(|b| (b' '..0x7f).contains(&b)))
                    && !has(&headers, "content-type")
                {
                    headers.push(("Content-Type".into(), kind.into()));
                }
                ReplyBody::Bytes(record.body.clone())
            }
            PlannedBody::Fixed(bytes) => ReplyBody::Bytes(bytes.clone()),
            PlannedBody::Huge(bytes) => ReplyBody::Huge(*bytes),
        };
        let body = match body {
            ReplyBody::Bytes(bytes) if bytes.is_empty() && plan.slow_body.is_some() => {
                ReplyBody::Bytes(Bytes::from_static(SLOW_BODY))
            }
            body => body,
        };
        for (name, value) in [
            // Pages of any origin may test against polis, as with the original.
            ("Access-Control-Allow-Origin", "*"),
            // An echo of HTML must not run in a browser that posted it.
            ("Content-Security-Policy", "sandbox"),
            ("X-Content-Type-Options", "nosniff"),
        ] {
            if !has(&headers, name) {
                headers.push((name.into(), value.into()));
            }
        }
        Self {
            status: plan.status,
            headers,
            body,
            slow: plan.slow_body,
        }
    }

    /// The answer of the app that the request was forwarded to.
    pub(super) fn of_app(app: AppAnswer) -> Self {
        let headers = app
            .headers
            .into_iter()
            .filter(|(name, _)| {
                !is_hop_by_hop(name) && !name.eq_ignore_ascii_case("content-length")
            })
            .collect();
        Self {
            status: app.status,
            headers,
            body: ReplyBody::Bytes(app.body),
            slow: None,
        }
    }

    /// The app did not answer.
    pub(super) fn unreachable(outcome: Option<&Forwarded>, record: &Record) -> Self {
        let text = outcome
            .map(|outcome| {
                let error = outcome.error.as_deref().unwrap_or_default();
                format!("{} did not answer: {error}", outcome.url)
            })
            .unwrap_or_default();
        Self::planned(&Plan::refusal(502, &text, None), record)
    }

    /// Bytes of the body.
    fn length(&self) -> u64 {
        match &self.body {
            ReplyBody::Bytes(bytes) => bytes.len() as u64,
            ReplyBody::Huge(bytes) => *bytes,
        }
    }

    /// The part of the body that is kept for readers.
    pub(super) fn kept_body(&self) -> Bytes {
        match &self.body {
            ReplyBody::Bytes(bytes) => bytes.clone(),
            ReplyBody::Huge(_) => Bytes::new(),
        }
    }
}

fn has(headers: &[(String, Vec<u8>)], name: &str) -> bool {
    headers
        .iter()
        .any(|(given, _)| given.eq_ignore_ascii_case(name))
}

/// Writes the answer; an error of the connection ends it and is reported.
pub(super) async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    reply: &Reply,
    method: &str,
    keep_alive: bool,
) -> Sent {
    let has_body = method != "HEAD" && !matches!(reply.status, 204 | 304);
    let head = head(reply, keep_alive);
    let mut sent = Sent {
        headers: reply
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
            .collect(),
        body_size: 0,
        error: None,
    };
    let written = match has_body {
        true => write_whole(stream, head, reply, &mut sent.body_size).await,
        false => write(stream, &head).await,
    };
    if let Err(error) = written {
        sent.error = Some(format!("the answer did not get through: {error}"));
    }
    sent
}

fn head(reply: &Reply, keep_alive: bool) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(reply.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("");
    let mut start = String::with_capacity(64);
    // Writing to a String does not fail.
    let _ = write!(start, "HTTP/1.1 {} {reason}\r\n", reply.status);
    let mut head = start.into_bytes();
    head.reserve(512);
    for (name, value) in &reply.headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    if !matches!(reply.status, 204 | 304) {
        head.extend_from_slice(format!("Content-Length: {}\r\n", reply.length()).as_bytes());
    }
    if !has(&reply.headers, "date") {
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        head.extend_from_slice(format!("Date: {date}\r\n").as_bytes());
    }
    if !keep_alive {
        head.extend_from_slice(b"Connection: close\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    timeout(WRITE_SILENCE, stream.write_all(bytes))
        .await
        .unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the client took no bytes for {WRITE_SILENCE:?}"),
            ))
        })
}

/// Writes head and body, the body in pieces, so that the time limit applies to silence and not to
/// the whole body, and `sent` counts what went out before an error.
async fn write_whole<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut head: Vec<u8>,
    reply: &Reply,
    sent: &mut u64,
) -> io::Result<()> {
    let (bytes, piece, pause) = match (&reply.body, reply.slow) {
        (ReplyBody::Bytes(bytes), None) if bytes.len() <= SMALL_BYTES => {
            // One packet, one system call.
            head.extend_from_slice(bytes);
            write(stream, &head).await?;
            *sent = bytes.len() as u64;
            return Ok(());
        }
        (ReplyBody::Bytes(bytes), None) => (&bytes[..], PIECE_BYTES, None),
        (ReplyBody::Bytes(bytes), pause) => (&bytes[..], 1, pause),
        (ReplyBody::Huge(_), _) => (&HUGE_PIECE[..], HUGE_PIECE.len(), None),
    };
    write(stream, &head).await?;
    let length = reply.length();
    for piece in bytes.chunks(piece).cycle() {
        let left = usize::try_from(length - *sent).unwrap_or(usize::MAX);
        if left == 0 {
            break;
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        let piece = &piece[..piece.len().min(left)];
        write(stream, piece).await?;
        *sent += piece.len() as u64;
    }
    Ok(())
}
