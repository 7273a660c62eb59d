//! A receiver on a free port of the loopback address, whose answers are scripted by a test.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Notify,
};

use crate::clock::{Clock, SystemClock};

/// How long [`Receiver::wait_for`] waits before it panics, so that a test always ends.
const WAIT_LIMIT: Duration = Duration::from_secs(30);
/// The maximum number of requests kept; a test that makes more should look at them earlier.
const REQUESTS_MAX: usize = 100_000;
/// The maximum number of bytes of one request body.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How many connections may wait to be accepted. The operating system drops more than that, and their senders try
/// again a second later: with the usual 128, a burst to many endpoints looked like a slow engine.
const BACKLOG: u32 = 1024;

/// A receiver on the loopback address. It stops when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// The path and query.
    pub target: String,
    /// The headers, names in lower case.
    pub headers: HeaderMap,
    /// The exact body.
    pub body: Bytes,
}

impl ReceivedRequest {
    /// A header as text; empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as JSON; null if it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// How to answer one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    hang: bool,
    after: Duration,
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
            hang: false,
            after: Duration::ZERO,
        }
    }
}

impl Answer {
    /// An answer with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        status.into()
    }

    /// Accepts the request and never answers.
    #[must_use]
    pub fn hang() -> Self {
        Self {
            hang: true,
            ..Self::from(200)
        }
    }

    /// Answers this long after the request arrived, by the receiver's clock; see [`Receiver::clock`].
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// `None`: the system's clock.
    clock: Mutex<Option<Arc<dyn Clock>>>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Script {
    requests: Vec<ReceivedRequest>,
    /// The next answers; the last one repeats.
    answers: VecDeque<Answer>,
    /// Answers for single events, by `webhook-id`; the last one repeats.
    by_event: HashMap<String, VecDeque<Answer>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn clock(&self) -> Arc<dyn Clock> {
        let clock = self.clock.lock();
        let system = || Arc::new(SystemClock::default()) as _;
        clock.clone().unwrap_or_else(system)
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock()
    }
}

impl Script {
    fn answer(&mut self, event_id: &str) -> Answer {
        let answers = self.by_event.get_mut(event_id).unwrap_or(&mut self.answers);
        match answers.len() {
            0 => Answer::from(200),
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap_or_else(|| Answer::from(200)),
        }
    }
}

impl Receiver {
    /// Starts a receiver on a free port. It answers 200 unless scripted otherwise.
    ///
    /// # Errors
    /// The operating system has no free port.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts a receiver at a given address, for example where another one has stopped.
    ///
    /// # Errors
    /// The address is in use.
    pub async fn start_at(address: SocketAddr) -> std::io::Result<Self> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let state = Arc::<Shared>::default();
        let router = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&state));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the receiver stopped");
            }
        });
        Ok(Self {
            address,
            state,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The clock by which it delays its answers; the system's by default.
    pub fn clock(&self, clock: Arc<dyn Clock>) {
        *self.state.clock.lock() = Some(clock);
    }

    /// The next answers, one per request; the last one repeats.
    pub fn respond<A: Into<Answer>>(&self, answers: impl IntoIterator<Item = A>) {
        self.state.lock().answers = answers.into_iter().map(Into::into).collect();
    }

    /// The next answers for one event, by its id.
    pub fn respond_to<A: Into<Answer>>(
        &self,
        event_id: &str,
        answers: impl IntoIterator<Item = A>,
    ) {
        let answers = answers.into_iter().map(Into::into).collect();
        self.state
            .lock()
            .by_event
            .insert(event_id.to_owned(), answers);
    }

    /// Every request so far, in the order they arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state.lock().requests.clone()
    }

    /// The `webhook-id` of every request so far, in the order they arrived.
    #[must_use]
    pub fn event_ids(&self) -> Vec<String> {
        self.state
            .lock()
            .requests
            .iter()
            .map(|request| request.header("webhook-id").to_owned())
            .collect()
    }

    /// Waits until `count` requests have arrived.
    ///
    /// # Panics
    /// If they have not arrived within 30 s; the message says what did arrive.
    pub async fn wait_for(&self, count: usize) -> Vec<ReceivedRequest> {
        let waiting = async {
            loop {
                let arrived = self.state.arrived.notified();
                if self.state.lock().requests.len() >= count {
                    return;
                }
                arrived.await;
            }
        };
        if tokio::time::timeout(WAIT_LIMIT, waiting).await.is_err() {
            panic!(
                "{count} requests were expected, {} arrived: {:?}",
                self.requests().len(),
                self.event_ids()
            );
        }
        self.requests()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return status_only(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let target = head
        .uri
        .path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string);
    let received = ReceivedRequest {
        target,
        headers: head.headers,
        body,
    };
    let answer = {
        let mut script = shared.lock();
        let answer = script.answer(received.header("webhook-id"));
        if script.requests.len() < REQUESTS_MAX {
            script.requests.push(received);
        }
        answer
    };
    shared.arrived.notify_waiters();
    if answer.hang {
        std::future::pending::<()>().await;
    }
    if !answer.after.is_zero() {
        let clock = shared.clock();
        clock.sleep_until(clock.monotonic() + answer.after).await;
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        let name = http::HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Otherwise the connections of one that has stopped keep its address in use.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn status_only(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_burst_of_connections_waits_until_it_is_accepted() {
        let receiver = Receiver::start().await.unwrap();
        // The receiver accepts none meanwhile, because it shares this thread.
        let mut waiting = Vec::new();
        for number in 0..500 {
            let limit = Duration::from_secs(30);
            let connection = std::net::TcpStream::connect_timeout(&receiver.address, limit);
            assert!(connection.is_ok(), "connection {number}: {connection:?}");
            waiting.push(connection);
        }
    }
}
