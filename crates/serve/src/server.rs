//! The server for axum routers: hyper with timers on each connection, and a graceful shutdown.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    response::{IntoResponse, Response},
};
use http::Request;
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::ServiceExt;

use crate::{
    accept::accept,
    body::{Cut, RequestBody, end_events_at_stop},
    client_stream::{ClientStream, MidRequest},
    limits::Limits,
    protect::harden,
};

/// The smallest buffer that hyper agrees to work with.
const MIN_BUFFER_BYTES: usize = 8192;

/// hyper's own limit, for which it keeps headers on the stack; any other limit moves the headers of
/// each request to the heap.
const STACK_HEADER_COUNT: usize = 100;

/// Serves `router` on `listener` until `stop` resolves. Then server-sent events end, requests in
/// flight may finish within [`Limits::grace`], and whatever is left after that is closed.
///
/// HTTP/1.1 only: the apps run behind a proxy or on loopback, where HTTP/2 has no benefit and adds
/// its own ways to be flooded.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    // The body itself enforces our limit; axum's own would undercut a larger one.
    let router = router.layer(DefaultBodyLimit::disable());
    let limits = Arc::new(limits);
    let http = http(&limits);
    accept(listener, &limits, stop, |stream, _, stopping| {
        let client = Client {
            router: router.clone(),
            limits: Arc::clone(&limits),
            stopping,
            mid_request: MidRequest::default(),
        };
        converse(http.clone(), stream, client)
    })
    .await;
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(MIN_BUFFER_BYTES));
    if limits.header_count != STACK_HEADER_COUNT {
        http.max_headers(limits.header_count);
    }
    http
}

/// Answers one client's requests.
#[derive(Clone)]
struct Client {
    router: Router,
    limits: Arc<Limits>,
    stopping: watch::Receiver<bool>,
    mid_request: MidRequest,
}

impl Client {
    async fn answer(self, request: Request<Incoming>) -> Response {
        let limit = self.limits.body_bytes;
        if request.body().size_hint().lower() > limit as u64 {
            return refuse(Cut::TooLarge { limit });
        }
        let (head, body) = request.into_parts();
        let (body, cut) = RequestBody::new(body, &self.limits, self.mid_request);
        let request = Request::from_parts(head, Body::new(body));
        let Ok(response) = self.router.oneshot(request).await;
        match cut.get() {
            // An extractor only knows that the body broke off; `cut` knows why. A handler that made
            // do with what it got keeps its response.
            Some(why) if !response.status().is_success() => refuse(*why),
            _ => end_events_at_stop(response, self.stopping),
        }
    }
}

fn refuse(why: Cut) -> Response {
    let mut response = why.into_response();
    harden(response.headers_mut());
    response
}

/// Serves one connection to its end.
async fn converse(http: http1::Builder, stream: TcpStream, client: Client) {
    let (stall_time, mid_request) = (client.limits.stall_time, client.mid_request.clone());
    let stream = TokioIo::new(ClientStream::new(stream, stall_time, mid_request));
    let mut stopping = client.stopping.clone();
    let service = service_fn(move |request| {
        let client = client.clone();
        async move { Ok::<_, Infallible>(client.answer(request).await) }
    });
    let mut connection = pin!(http.serve_connection(stream, service));
    // The sender outlives every connection; if it were gone, that would mean stop, too.
    let stopped = async {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let outcome = tokio::select! {
        outcome = connection.as_mut() => Some(outcome),
        () = stopped => None,
    };
    let outcome = match outcome {
        Some(outcome) => outcome,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}
