//! Requests that polis itself sends: forwarded ones and replayed ones.
//!
//! Plain http:// is written byte for byte, so that the order, case and repeats of headers
//! survive; https:// goes through reqwest, which lowers the case of names. Redirects are
//! never followed and proxies never used.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::OnceLock,
    time::Duration,
};

use bytes::Bytes;
use serve::wire::{
    BodyFault, BodyLimits, Connection, Framing, HeadError, HeadFault, HeadLimits, Reception,
    StatusHead, read_body,
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout_at},
};
use url::Url;

use crate::certificate::{Refusal, refusal};

/// The time limit from connecting to the last byte of the answer; senders rarely wait longer.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The size limit of an answer's head.
const HEAD_BYTES: usize = 64 * 1024;

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("no complete answer within {TIME_LIMIT:?}")]
    TimeLimit,
    #[error("the answer's head cannot be read: {0}")]
    HeadFault(#[from] HeadFault),
    #[error("the answer's head cannot be read: {0}")]
    Head(#[from] HeadError),
    #[error("the answer's body cannot be read: {0}")]
    Body(BodyFault),
    #[error("the connection was closed without an answer")]
    NoAnswer,
    #[error("the request cannot be sent over https: {0}")]
    Unsendable(String),
    #[error("{0}")]
    Https(String),
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("{0} does not resolve to a loopback address")]
    NotLoopback(String),
    #[error(
        "polis itself captures there, so the request would come back forever; give the port of the app"
    )]
    Own,
    #[error(
        "it was forwarded {0} times already (X-Forwarded-For): two programs forward to each other"
    )]
    Circle(usize),
}

/// Where a request may go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    /// Wherever the URL points: configuration or a person vouches for it.
    Anywhere,
    /// Only to this machine, whatever a name resolves to.
    Loopback,
    /// Anywhere except to where polis captures.
    NotOwn(SocketAddr),
}

impl Reach {
    /// Whether the established connection leads back to where polis captures.
    fn leads_back(self, stream: &TcpStream) -> io::Result<bool> {
        let Self::NotOwn(own) = self else {
            return Ok(false);
        };
        let (there, here) = (stream.peer_addr()?, stream.local_addr()?.ip());
        let is_own = |ip: IpAddr| match own.ip().is_unspecified() {
            // A connection to an address of this machine has that same address as its source.
            true => (ip == here || ip.is_loopback()) && (own.is_ipv6() || ip.is_ipv4()),
            false => ip == own.ip(),
        };
        Ok(there.port() == own.port() && is_own(there.ip()))
    }
}

/// A request to send.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: Vec<u8>,
    /// With `Host`, without framing headers.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

/// The app's answer.
#[derive(Debug)]
pub(crate) struct AppAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
    /// Why the body is incomplete; the status is valid anyway.
    pub(crate) broken: Option<String>,
}

/// Sends requests; answers are kept up to the body limit.
#[derive(Debug)]
pub(crate) struct Outbound {
    body_limit: usize,
    /// Created on first use: reading the system's certificates takes time and memory.
    https: OnceLock<Result<reqwest::Client, String>>,
}

impl Outbound {
    pub(crate) fn new(body_limit: usize) -> Self {
        Self {
            body_limit,
            https: OnceLock::new(),
        }
    }

    /// Sends to scheme, host and port of `base`; path and query are those of the request.
    pub(crate) async fn send(
        &self,
        base: &Url,
        request: Outgoing,
        reach: Reach,
    ) -> Result<AppAnswer, OutboundError> {
        if base.scheme() == "https" && !matches!(reach, Reach::Loopback) {
            self.https(base, request).await
        } else {
            self.http(base, request, reach).await
        }
    }

    async fn http(
        &self,
        base: &Url,
        request: Outgoing,
        reach: Reach,
    ) -> Result<AppAnswer, OutboundError> {
        let deadline = Instant::now() + TIME_LIMIT;
        let (mut connection, head) = timeout_at(deadline, self.answered(base, &request, reach))
            .await
            .unwrap_or(Err(OutboundError::TimeLimit))?;
        let framing = Framing::of_answer(&head, &request.method).map_err(OutboundError::Body)?;
        let reception = Reception::new(self.body_limit);
        let limits = BodyLimits {
            bytes: self.body_limit,
            time: deadline - Instant::now(),
        };
        let read = read_body(&mut connection, framing, limits, reception.reserve()).await;
        Ok(AppAnswer {
            status: head.status,
            headers: head.headers,
            body: read.bytes,
            broken: read.fault.map(|fault| fault.to_string()),
        })
    }

    /// Connects, sends, and reads up to the head of the answer.
    async fn answered(
        &self,
        base: &Url,
        request: &Outgoing,
        reach: Reach,
    ) -> Result<(Connection<TcpStream>, StatusHead), OutboundError> {
        let host = base.host_str().unwrap_or_default();
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let port = base.port_or_known_default().unwrap_or(80);
        let mut addresses: Vec<_> = tokio::net::lookup_host((name, port))
            .await
            .map_err(OutboundError::Connect)?
            .collect();
        if matches!(reach, Reach::Loopback) {
            // Connects to the very address that was checked, so that a name cannot change in between.
            addresses.retain(|address| address.ip().is_loopback());
            if addresses.is_empty() {
                return Err(OutboundError::NotLoopback(host.to_owned()));
            }
        }
        let stream = TcpStream::connect(&addresses[..])
            .await
            .map_err(OutboundError::Connect)?;
        if reach.leads_back(&stream)? {
            return Err(OutboundError::Own);
        }
        let _ = stream.set_nodelay(true);
        let mut connection = Connection::new(stream);
        connection.stream().write_all(&written(request)).await?;
        connection.stream().write_all(&request.body).await?;
        let limits = HeadLimits {
            bytes: HEAD_BYTES,
            time: TIME_LIMIT,
        };
        let head = loop {
            let raw = connection
                .head(&limits)
                .await?
                .ok_or(OutboundError::NoAnswer)?;
            let head = StatusHead::parse(&raw)?;
            // 100 and 103 come before the answer; 101 was never asked for.
            if head.status >= 200 {
                break head;
            }
        };
        Ok((connection, head))
    }

    async fn https(&self, base: &Url, request: Outgoing) -> Result<AppAnswer, OutboundError> {
        let client = self
            .https
            .get_or_init(|| {
                reqwest::Client::builder()
                    .redirect(reqwest::redirect::Policy::none())
                    .no_proxy()
                    .timeout(TIME_LIMIT)
                    .build()
                    .map_err(|error| error.to_string())
            })
            .as_ref()
            .map_err(|error| OutboundError::Https(error.clone()))?;
        let unsendable =
            |error: &dyn std::fmt::Display| OutboundError::Unsendable(error.to_string());
        let target = std::str::from_utf8(&request.target).map_err(|error| unsendable(&error))?;
        let url = base.join(target).map_err(|error| unsendable(&error))?;
        if url.origin() != base.origin() {
            return Err(OutboundError::Unsendable(format!("{target} leaves {base}")));
        }
        let method = http::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| unsendable(&error))?;
        let mut headers = http::HeaderMap::new();
        for (name, value) in &request.headers {
            let name = http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|error| unsendable(&error))?;
            let value = http::HeaderValue::from_bytes(value).map_err(|error| unsendable(&error))?;
            headers.append(name, value);
        }
        let failed = |error: reqwest::Error| match refusal(&error) {
            Some(refusal) => refusal.into(),
            None => OutboundError::Https(cause(&error)),
        };
        let mut answer = client
            .request(method, url)
            .headers(headers)
            .body(request.body)
            .send()
            .await
            .map_err(failed)?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        let mut body = Vec::new();
        let broken = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > self.body_limit => {
                    let limit = self.body_limit;
                    body.extend_from_slice(&chunk[..limit - body.len()]);
                    break Some(BodyFault::TooLarge { limit }.to_string());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break None,
                Err(error) => break Some(failed(error).to_string()),
            }
        };
        Ok(AppAnswer {
            status,
            headers,
            body: body.into(),
            broken,
        })
    }
}

/// The innermost reason: the errors around it only say that something failed.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The head as it goes on the wire; one request per connection, so that framing stays simple.
fn written(request: &Outgoing) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(request.method.as_bytes());
    head.push(b' ');
    head.extend_from_slice(&request.target);
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &request.headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    if !request.body.is_empty() || !matches!(request.method.as_str(), "GET" | "HEAD") {
        head.extend_from_slice(format!("Content-Length: {}\r\n", request.body.len()).as_bytes());
    }
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    head
}
