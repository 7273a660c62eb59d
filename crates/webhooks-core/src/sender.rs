//! The sender: one HTTP request for one attempt, signed anew, within one deadline.
//!
//! It follows no redirect, uses no proxy from the environment, decodes nothing, and reads at
//! most [`RESPONSE_BYTES_MAX`] of the answer.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::{
    Failure,
    address::{AddressPolicy, GuardedResolver, refusal_in},
    attempt::{RESPONSE_BYTES_MAX, RESPONSE_HEAD_BYTES, RESPONSE_HEADERS_BYTES},
    clock::{Timeline, unix_millis},
    engine::{EndpointRecord, REQUESTS_MAX},
    outgoing::{Outgoing, Watcher},
    retry::retry_after,
    signature::{self, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP},
    store::{completion::AttemptRecord, row::StoredEvent},
};

/// From the start of connecting to the end of the response; Standard Webhooks advises 15 to 30 s.
pub const TIME_LIMIT_DEFAULT: Duration = Duration::from_secs(15);
/// How long a connection waits for its next use: longer than the gaps of a busy endpoint,
/// shorter than the minute after which common servers close it.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// Idle connections kept for one host: as many as can be in use, since very many endpoints share a
/// host, and a connection that is closed early costs the next request more than the request.
const IDLE_CONNECTIONS: usize = REQUESTS_MAX;

/// Makes attempts.
pub(crate) struct Sender {
    client: reqwest::Client,
    policy: AddressPolicy,
    time_limit: Duration,
    user_agent: HeaderValue,
    watcher: Option<Watcher>,
}

/// What came of one attempt.
pub(crate) struct Response {
    pub(crate) record: AttemptRecord,
    /// What `Retry-After` asked for.
    pub(crate) retry_after: Option<Duration>,
}

impl Sender {
    pub(crate) fn new(policy: AddressPolicy, time_limit: Duration) -> Result<Self, reqwest::Error> {
        let client = GuardedResolver::new(policy.clone())
            .client()
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .tcp_nodelay(true)
            .build()?;
        let user_agent =
            HeaderValue::from_static(concat!("webhooks-core/", env!("CARGO_PKG_VERSION")));
        Ok(Self {
            client,
            policy,
            time_limit,
            user_agent,
            watcher: None,
        })
    }

    /// The same, showing every request to `watcher` just before it goes out.
    pub(crate) fn watched_by(self, watcher: Option<Watcher>) -> Self {
        Self { watcher, ..self }
    }

    pub(crate) fn policy(&self) -> &AddressPolicy {
        &self.policy
    }

    /// Makes one attempt. `record.at` is left for the caller.
    pub(crate) async fn attempt(
        &self,
        endpoint: &EndpointRecord,
        event: &StoredEvent,
        timeline: &Timeline,
    ) -> Response {
        let started = Instant::now();
        let mut received = Received::default();
        let limited = tokio::time::timeout(
            self.time_limit,
            self.request(endpoint, event, timeline, &mut received),
        );
        let failure = match limited.await {
            Ok(Ok(())) => match received.status {
                Some(status) if (200..300).contains(&status) => None,
                status => Some(Failure::Status(status.unwrap_or_default())),
            },
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(Failure::Timeout(self.time_limit)),
        };
        let wants_wait = failure.is_some();
        Response {
            retry_after: received.retry_after.filter(|_| wants_wait),
            record: AttemptRecord {
                at: 0,
                duration: started.elapsed(),
                status: received.status,
                failure,
                headers: received.headers,
                body_head: received.body_head,
            },
        }
    }

    async fn request(
        &self,
        endpoint: &EndpointRecord,
        event: &StoredEvent,
        timeline: &Timeline,
        received: &mut Received,
    ) -> Result<(), Failure> {
        self.policy
            .judge(&endpoint.url)
            .map_err(|refusal| Failure::Address(refusal.to_string()))?;
        let mut request = reqwest::Request::new(Method::POST, endpoint.url.clone());
        *request.headers_mut() = self.headers(endpoint, event, timeline)?;
        *request.body_mut() = Some(event.body.clone().into());
        if let Some(watch) = &self.watcher {
            watch(Outgoing {
                url: &endpoint.url,
                event_id: &event.id,
                headers: request.headers(),
                body: &event.body,
            });
        }
        let mut response = self
            .client
            .execute(request)
            .await
            .map_err(|error| classify(&error))?;
        received.status = Some(response.status().as_u16());
        received.take_headers(response.headers(), timeline);
        let mut size = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
            size += chunk.len();
            let room = RESPONSE_HEAD_BYTES.saturating_sub(received.body_head.len());
            received
                .body_head
                .extend_from_slice(&chunk[..chunk.len().min(room)]);
            if size > RESPONSE_BYTES_MAX {
                return Err(Failure::TooLarge);
            }
        }
        Ok(())
    }

    /// The endpoint's own headers, ours, and a signature of this moment with every active secret.
    fn headers(
        &self,
        endpoint: &EndpointRecord,
        event: &StoredEvent,
        timeline: &Timeline,
    ) -> Result<HeaderMap, Failure> {
        let timestamp_s = unix_millis(timeline.wall()).div_euclid(1_000);
        let now = timeline.now();
        let active = endpoint
            .secrets
            .iter()
            .filter(|secret| secret.expires_at.is_none_or(|at| at > now));
        let signatures: Vec<String> = active
            .map(|active| {
                signature::sign(
                    std::slice::from_ref(&active.secret),
                    &event.id,
                    timestamp_s,
                    &event.body,
                )
            })
            .collect();
        let value = |text: String| {
            HeaderValue::try_from(text)
                .map_err(|_| Failure::Request("a header has a control character".to_owned()))
        };
        let mut headers = HeaderMap::with_capacity(8 + endpoint.headers.len());
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        headers.insert(WEBHOOK_ID, value(event.id.clone())?);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp_s));
        headers.insert(WEBHOOK_SIGNATURE, value(signatures.join(" "))?);
        if let Some(legacy) = &endpoint.legacy {
            for (name, value) in legacy.headers(&event.id, timestamp_s, &event.body) {
                headers.insert(name, value);
            }
        }
        for (name, value) in &endpoint.headers {
            headers.append(name, value.clone());
        }
        Ok(headers)
    }
}

/// What of a response was read before it ended or failed.
#[derive(Default)]
struct Received {
    status: Option<u16>,
    headers: String,
    body_head: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Received {
    fn take_headers(&mut self, headers: &HeaderMap, timeline: &Timeline) {
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            if self.headers.len() + name.as_str().len() + value.len() + 3 > RESPONSE_HEADERS_BYTES {
                break;
            }
            push_header(&mut self.headers, name, &value);
        }
        let asked = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        self.retry_after = asked.and_then(|value| retry_after(value, timeline.wall()));
    }
}

fn push_header(lines: &mut String, name: &HeaderName, value: &str) {
    lines.push_str(name.as_str());
    lines.push_str(": ");
    // No header value that hyper accepts holds a line break; a lossy one must not either.
    lines.extend(value.chars().filter(|c| *c != '\n' && *c != '\r'));
    lines.push('\n');
}

/// Tells what went wrong from the chain of causes, the most telling first.
fn classify(error: &reqwest::Error) -> Failure {
    if let Some(refusal) = refusal_in(error) {
        return Failure::Address(refusal.to_string());
    }
    let mut innermost: &(dyn Error + 'static) = error;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(failure) = classify_cause(error) {
            return failure;
        }
        innermost = error;
        cause = cause_of(error);
    }
    let text = innermost.to_string();
    if error.is_connect() {
        Failure::Connect(text)
    } else if error.is_builder()
        || error.is_request() && error.status().is_none() && error.source().is_none()
    {
        Failure::Request(text)
    } else {
        Failure::Broken(text)
    }
}

/// `io::Error` hides the error it wraps from `source`.
fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn classify_cause(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(Failure::Tls(tls.to_string()));
    }
    if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
        if hyper.is_parse() {
            return Some(Failure::NotHttp(hyper.to_string()));
        }
        if hyper.is_incomplete_message() {
            return Some(Failure::Broken(
                "it was closed before the answer was complete".to_owned(),
            ));
        }
    }
    let io = error.downcast_ref::<std::io::Error>()?;
    match io.kind() {
        std::io::ErrorKind::ConnectionRefused => Some(Failure::Refused),
        std::io::ErrorKind::ConnectionReset => Some(Failure::Broken("it was reset".to_owned())),
        _ if io.to_string().contains("failed to lookup address") => {
            Some(Failure::Name(io.to_string()))
        }
        _ => None,
    }
}
