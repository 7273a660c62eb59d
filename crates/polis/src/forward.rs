//! Forwards a captured request to an app: the same bytes, and the app's own answer.

use std::net::SocketAddr;

use serve::wire::is_hop_by_hop;
use tokio::time::Instant;
use url::Position;

use crate::{
    destination::Destination,
    outbound::{AppAnswer, Outbound, OutboundError, Outgoing, Reach},
    record::{Forwarded, Record},
};

/// How many programs may have forwarded a request before; more than this means a loop.
const HOPS_MAX: usize = 20;

/// A forwarded request's outcome, and the answer if there was one.
#[derive(Debug)]
pub(crate) struct ForwardResult {
    pub(crate) outcome: Forwarded,
    pub(crate) answer: Option<AppAnswer>,
}

/// Sends the request to the app at `base`, whose path and query come before those of the request.
/// `own` is where polis captures: a request forwarded to it would come back forever.
pub(crate) async fn forward(
    base: &Destination,
    record: &Record,
    outbound: &Outbound,
    own: Option<SocketAddr>,
) -> ForwardResult {
    let begun = Instant::now();
    let target = target(base, record);
    let url = format!(
        "{}{}",
        &base.url[..Position::AfterPort],
        String::from_utf8_lossy(&target)
    );
    let hops = record.headers_named("x-forwarded-for").len();
    let sent = if hops > HOPS_MAX {
        Err(OutboundError::Circle(hops))
    } else {
        let request = Outgoing {
            method: record.method().to_owned(),
            target,
            headers: headers(base, record),
            body: record.body.clone(),
        };
        let reach = own.map_or(Reach::Anywhere, Reach::NotOwn);
        outbound.send(&base.url, request, reach).await
    };
    let (status, error, answer) = match sent {
        Ok(answer) => (Some(answer.status), answer.broken.clone(), Some(answer)),
        Err(error) => (None, Some(error.to_string()), None),
    };
    ForwardResult {
        outcome: Forwarded {
            url,
            status,
            error,
            after: begun.elapsed(),
        },
        answer,
    }
}

fn target(base: &Destination, record: &Record) -> Vec<u8> {
    let asked = record.app_target();
    let end = asked.iter().position(|byte| *byte == b'?');
    let (path, query) = asked.split_at(end.unwrap_or(asked.len()));
    let mut target = match path {
        // A path that was written is used as it is, without an additional slash.
        b"/" => base.url.path().as_bytes().to_vec(),
        _ => [base.url.path().trim_end_matches('/').as_bytes(), path].concat(),
    };
    let own = base.url.query().filter(|query| !query.is_empty());
    let asked = query.strip_prefix(b"?").filter(|query| !query.is_empty());
    match (own.map(str::as_bytes), asked) {
        (None, _) => target.extend_from_slice(query),
        (Some(own), None) => target.extend([b"?", own].concat()),
        (Some(own), Some(asked)) => target.extend([b"?", own, b"&", asked].concat()),
    }
    target
}

/// The headers of the request, with those that a reverse proxy adds: the first Host and scheme
/// stay, the sender's address comes after those of earlier proxies.
fn headers(base: &Destination, record: &Record) -> Vec<(String, Vec<u8>)> {
    // Headers that Connection names belong to this connection alone.
    let named = record.headers_named("connection");
    let mut headers = vec![("Host".to_owned(), base.authority().as_bytes().to_vec())];
    let mut forwarded_for = record.headers_named("x-forwarded-for");
    forwarded_for.push(record.remote.ip().to_string());
    let own = [
        (
            "X-Forwarded-Host",
            record.header("host").unwrap_or_default().to_owned(),
        ),
        ("X-Forwarded-Proto", "http".to_owned()),
        ("X-Forwarded-For", forwarded_for.join(", ")),
    ];
    for (name, value) in own {
        let given = record.head.as_ref().and_then(|head| head.get(name));
        let value = match given {
            Some(first) if name != "X-Forwarded-For" => first.to_vec(),
            _ => value.into_bytes(),
        };
        if !value.is_empty() {
            headers.push((name.to_owned(), value));
        }
    }
    for (name, value) in record.headers() {
        if !is_set_here(name)
            && !is_hop_by_hop(name)
            && !named.iter().any(|named| named.eq_ignore_ascii_case(name))
        {
            headers.push((name.to_owned(), value.to_vec()));
        }
    }
    headers
}

fn is_set_here(name: &str) -> bool {
    [
        "host",
        "content-length",
        "expect",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-for",
    ]
    .iter()
    .any(|own| name.eq_ignore_ascii_case(own))
}
