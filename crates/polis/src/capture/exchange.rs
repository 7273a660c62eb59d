//! The exchanges on one connection: request, record, answer, and the next request.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;
use serve::wire::{BodyFault, Connection, Framing, Head, HeadFault, ReadBody, Version, read_body};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    arrival::{self, Arrived},
    reply::{self, Reply},
    watching,
};
use crate::{
    answer::{Manner, Plan},
    forward,
    polis::Polis,
    record::{Answer, Record},
};

/// How much a refused client may still send while it gets the reason, and for how long: closing
/// at once would reset the connection, and the client would never read the reason.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Serves one connection until it ends.
pub(super) async fn converse(
    polis: Arc<Polis>,
    stream: TcpStream,
    remote: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let mut connection = Connection::new(stream);
    loop {
        let read = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            read = connection.head(&polis.limits.head) => read,
        };
        let received_at = Timestamp::now();
        let begun = Instant::now();
        let head = match read {
            Ok(None) => return,
            Ok(Some(raw)) => match Head::parse(raw.clone()) {
                Ok(head) => head,
                Err(error) => {
                    let record =
                        arrival::unreadable(&polis, remote, received_at, &raw, error.to_string());
                    refuse(&polis, &mut connection, &record, 400, begun).await;
                    return;
                }
            },
            Err(fault) => {
                let status = match fault {
                    HeadFault::TooLarge(_) => 431,
                    HeadFault::TooSlow(_) => 408,
                    HeadFault::Ended | HeadFault::Broken(_) => 400,
                };
                let record = arrival::unreadable(
                    &polis,
                    remote,
                    received_at,
                    connection.buffered(),
                    fault.to_string(),
                );
                refuse(&polis, &mut connection, &record, status, begun).await;
                return;
            }
        };
        if !exchange(
            &polis,
            &mut connection,
            remote,
            received_at,
            head,
            &mut stop,
        )
        .await
        {
            return;
        }
    }
}

/// Tells the client why its request could not be read.
async fn refuse(
    polis: &Arc<Polis>,
    connection: &mut Connection<TcpStream>,
    record: &Arc<Record>,
    status: u16,
    begun: Instant,
) {
    polis.arrived(record, None).await;
    let text = record.problem.as_deref().unwrap_or_default();
    let plan = Plan::refusal(status, text, None);
    let reply = Reply::planned(&plan, record);
    let sent = reply::send(connection.stream(), &reply, "GET", false).await;
    let answer = answer_of(&reply, sent, begun.elapsed(), None, None);
    polis.answered(record, answer).await;
    drain(connection).await;
}

/// Handles one request and its answer; returns whether the connection may carry another.
async fn exchange(
    polis: &Arc<Polis>,
    connection: &mut Connection<TcpStream>,
    remote: SocketAddr,
    received_at: Timestamp,
    head: Head,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let read = body(polis, connection, &head).await;
    let begun = Instant::now();
    let is_whole = read.fault.is_none();
    let keep_alive = is_whole && may_carry_on(&head);
    let Arrived {
        record,
        scope,
        plan,
    } = arrival::arrive(polis, remote, received_at, head, read);
    polis.arrived(&record, scope.settings().capacity).await;

    let mut hung_up_after = None;
    let mut forwarded = None;
    if plan.forward.is_some() || !plan.sleep.is_zero() {
        let work = async {
            let forwarded = match &plan.forward {
                Some(url) => Some(
                    forward::forward(url, &record, &polis.outbound, polis.capture_address()).await,
                ),
                None => None,
            };
            tokio::time::sleep_until(begun + plan.sleep).await;
            forwarded
        };
        let watched = watching::watch(connection, begun, stop, work).await;
        hung_up_after = watched.hung_up_after;
        match watched.output {
            Some(output) => forwarded = output,
            None => {
                let answer = silent(begun, hung_up_after, "polis was stopped before it answered");
                polis.answered(&record, answer).await;
                return false;
            }
        }
    }
    match plan.manner {
        Manner::Answer => {}
        Manner::Hang => {
            let hung_up = match hung_up_after {
                Some(already) => Some(already),
                None => watching::until_hang_up(connection, begun, stop).await,
            };
            let mut answer = silent(begun, hung_up, "left hanging, as the rule says");
            answer.forward = forwarded.map(|forwarded| forwarded.outcome);
            polis.answered(&record, answer).await;
            return false;
        }
        Manner::Reset => {
            // Dropping a socket with zero linger sends a reset instead of a regular end.
            let note = match connection.stream().set_zero_linger() {
                Ok(()) => "the connection was reset, as the rule says".to_owned(),
                Err(error) => format!("the connection could not be reset: {error}"),
            };
            let mut answer = silent(begun, hung_up_after, &note);
            answer.forward = forwarded.map(|forwarded| forwarded.outcome);
            polis.answered(&record, answer).await;
            return false;
        }
    }
    let (app, outcome) = forwarded
        .map(|forwarded| (forwarded.answer, forwarded.outcome))
        .unzip();
    let reply = match app.flatten() {
        Some(app) if !plan.status_wins => Reply::of_app(app),
        _ if outcome
            .as_ref()
            .is_some_and(|outcome| outcome.error.is_some())
            && !plan.status_wins =>
        {
            Reply::unreachable(outcome.as_ref(), &record)
        }
        _ => Reply::planned(&plan, &record),
    };
    let method = record.method().to_owned();
    let sent = reply::send(connection.stream(), &reply, &method, keep_alive).await;
    let answered_after = begun.elapsed();
    let sent_well = sent.error.is_none();
    let closed_early = hung_up_after.is_some();
    let mut note = plan.note;
    if closed_early && sent_well && !watching::is_gone(connection.stream()).await {
        hung_up_after = None;
        note = Some("the client had closed its sending side, but received the answer".into());
    }
    let mut answer = answer_of(&reply, sent, answered_after, hung_up_after, note);
    answer.forward = outcome;
    polis.answered(&record, answer).await;
    if !is_whole {
        drain(connection).await;
    }
    keep_alive && sent_well && !closed_early
}

async fn body(polis: &Polis, connection: &mut Connection<TcpStream>, head: &Head) -> ReadBody {
    let framing = match Framing::of_request(head) {
        Ok(framing) => framing,
        Err(fault) => {
            return ReadBody {
                fault: Some(fault),
                ..ReadBody::default()
            };
        }
    };
    let waits = head.version() == Version::Http11 && head.lists("expect", "100-continue");
    if waits && framing != Framing::None && connection.buffered().is_empty() {
        let limit = polis.limits.body.bytes;
        if matches!(framing, Framing::Length(length) if length > limit as u64) {
            // 100-continue exists so that a request can be refused before its body comes.
            return ReadBody {
                fault: Some(BodyFault::TooLarge { limit }),
                ..ReadBody::default()
            };
        }
        // If the client is gone, reading the body will show it.
        let _ = connection
            .stream()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await;
    }
    read_body(
        connection,
        framing,
        polis.limits.body,
        polis.reception.reserve(),
    )
    .await
}

/// Whether another request may follow on the same connection.
fn may_carry_on(head: &Head) -> bool {
    let ambiguous = head.get("transfer-encoding").is_some() && head.get("content-length").is_some();
    head.version() == Version::Http11
        && !ambiguous
        && head.method() != "CONNECT"
        && head.get("upgrade").is_none()
        && !head.lists("connection", "close")
}

fn answer_of(
    reply: &Reply,
    sent: reply::Sent,
    after: Duration,
    hung_up_after: Option<Duration>,
    note: Option<String>,
) -> Answer {
    let hung_up_after = hung_up_after.or(sent.error.is_some().then_some(after));
    let note = match (note, sent.error) {
        (note, None) => note,
        (None, Some(error)) => Some(error),
        (Some(note), Some(error)) => Some(format!("{note}; {error}")),
    };
    Answer {
        status: Some(reply.status),
        headers: sent.headers,
        body: reply.kept_body(),
        body_size: sent.body_size,
        after,
        hung_up_after,
        note,
        forward: None,
    }
}

fn silent(begun: Instant, hung_up_after: Option<Duration>, note: &str) -> Answer {
    Answer {
        after: begun.elapsed(),
        hung_up_after,
        note: Some(note.to_owned()),
        ..Answer::default()
    }
}

/// Continues reading for a while, so that the client gets to read the answer.
async fn drain(connection: &mut Connection<TcpStream>) {
    let drained = async {
        let _ = connection.stream().shutdown().await;
        let mut left = DRAIN_BYTES;
        loop {
            let ahead = connection.buffered().len();
            connection.consume(ahead);
            left = left.saturating_sub(ahead);
            if left == 0 || !matches!(connection.fill().await, Ok(bytes) if bytes > 0) {
                return;
            }
        }
    };
    // Time is up: the client has had its chance.
    let _ = timeout(DRAIN_TIME, drained).await;
}
