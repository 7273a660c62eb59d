//! Passes a captured request on to an app: the same bytes, the app's own answer.

use bytes::Bytes;
use tokio::time::Instant;
use url::Url;

use crate::{
    outbound::{Outbound, Outgoing},
    record::{Forwarded, Record},
    scope,
    wire::is_hop_by_hop,
};

/// What the app answered.
#[derive(Debug)]
pub(crate) struct AppAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

/// A forwarded request's outcome, and the answer when one came.
#[derive(Debug)]
pub(crate) struct ForwardResult {
    pub(crate) outcome: Forwarded,
    pub(crate) answer: Option<AppAnswer>,
}

/// Sends the request to the app at `base`. Path and query are kept; a scope's prefix
/// `/in/<name>` is left out, because the app knows nothing of scopes.
pub(crate) async fn forward(base: &Url, record: &Record, outbound: &Outbound) -> ForwardResult {
    let begun = Instant::now();
    let target = target(base, record);
    let url = shown(base, &target);
    let sent = outbound
        .send(
            base,
            Outgoing {
                method: record.method().to_owned(),
                target,
                headers: headers(base, record),
                body: record.body.clone(),
            },
        )
        .await;
    let after = begun.elapsed();
    match sent {
        Ok(answer) => ForwardResult {
            outcome: Forwarded {
                url,
                status: Some(answer.status),
                error: None,
                after,
            },
            answer: Some(answer),
        },
        Err(error) => ForwardResult {
            outcome: Forwarded {
                url,
                status: None,
                error: Some(error.to_string()),
                after,
            },
            answer: None,
        },
    }
}

fn target(base: &Url, record: &Record) -> Vec<u8> {
    let origin = record
        .head
        .as_ref()
        .map_or(&b"/"[..], |head| head.origin_form());
    let within = std::str::from_utf8(origin)
        .ok()
        .and_then(scope::split)
        .map_or(origin, |(_, within)| within.as_bytes());
    let mut target = base.path().trim_end_matches('/').as_bytes().to_vec();
    if !within.starts_with(b"/") {
        target.push(b'/');
    }
    target.extend_from_slice(within);
    target
}

/// The URL for people, without the credentials it may hold.
fn shown(base: &Url, target: &[u8]) -> String {
    let host = base.host_str().unwrap_or_default();
    let port = base
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let target = String::from_utf8_lossy(target);
    format!("{}://{host}{port}{target}", base.scheme())
}

fn headers(base: &Url, record: &Record) -> Vec<(String, Vec<u8>)> {
    let host = base.host_str().unwrap_or_default();
    let authority = match base.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    // Headers that Connection names belong to this connection alone.
    let named: Vec<String> = record
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
        .flat_map(|(_, value)| {
            String::from_utf8_lossy(value)
                .split(',')
                .map(|name| name.trim().to_ascii_lowercase())
                .collect::<Vec<_>>()
        })
        .collect();
    let mut headers = vec![("Host".to_owned(), authority.into_bytes())];
    for (name, value) in record.headers() {
        let lower = name.to_ascii_lowercase();
        if lower == "host" {
            headers.push(("X-Forwarded-Host".into(), value.to_vec()));
        } else if !is_hop_by_hop(name)
            && !named.contains(&lower)
            && !matches!(lower.as_str(), "content-length" | "expect")
        {
            headers.push((name.to_owned(), value.to_vec()));
        }
    }
    headers
}
