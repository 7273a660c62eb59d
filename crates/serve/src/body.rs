//! Bodies that are sure to end: a request's body is limited in bytes and time, and an event stream
//! ends when the server is asked to stop.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};

use crate::{client_stream::MidRequest, limits::Limits};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request's body was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    #[error("the body is larger than {limit} bytes; send less")]
    TooLarge { limit: usize },
    #[error("the body did not arrive within {} ms; send it faster", limit.as_millis())]
    TooSlow { limit: Duration },
}

impl IntoResponse for Cut {
    fn into_response(self) -> Response {
        let status = match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
        };
        // The rest of the body is still on its way, so this connection cannot carry another
        // request.
        let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
        (status, close, format!("{self}\n")).into_response()
    }
}

/// Records whether, and why, the body that a handler reads was cut off.
pub(crate) type CutNotice = Arc<OnceLock<Cut>>;

/// A request's body, limited in bytes and in time.
pub(crate) struct RequestBody {
    inner: Limited<Incoming>,
    limit_bytes: usize,
    limit_time: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    notice: CutNotice,
    mid_request: MidRequest,
}

impl RequestBody {
    pub(crate) fn new(
        inner: Incoming,
        limits: &Limits,
        mid_request: MidRequest,
    ) -> (Self, CutNotice) {
        if inner.is_end_stream() {
            mid_request.end();
        }
        let notice = CutNotice::default();
        let body = Self {
            inner: Limited::new(inner, limits.body_bytes),
            limit_bytes: limits.body_bytes,
            limit_time: limits.body_time,
            deadline: None,
            notice: Arc::clone(&notice),
            mid_request,
        };
        (body, notice)
    }

    fn cut(&self, why: Cut) {
        // Only the first reason counts: a handler may keep polling.
        let _ = self.notice.set(why);
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Err(error))) => {
                if error.is::<LengthLimitError>() {
                    this.cut(Cut::TooLarge {
                        limit: this.limit_bytes,
                    });
                }
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(frame) => {
                if frame.is_none() || this.inner.is_end_stream() {
                    this.mid_request.end();
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                // A body that trickles in makes its reader wait again and again: checking the clock
                // only then is enough, and costs nothing when the body has already arrived.
                let limit = this.limit_time;
                let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
                std::task::ready!(deadline.as_mut().poll(cx));
                let why = Cut::TooSlow { limit };
                this.cut(why);
                Poll::Ready(Some(Err(why.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Ends a stream of server-sent events once the server is asked to stop: it has no end of its own,
/// and browsers reconnect by themselves. Every other response passes unchanged.
pub(crate) fn end_events_at_stop(
    response: Response,
    mut stopping: watch::Receiver<bool>,
) -> Response {
    let is_event_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_event_stream {
        return response;
    }
    response.map(|inner| {
        Body::new(EventBody {
            inner,
            stopped: Box::pin(async move {
                // The sender outlives every connection; if it were gone, that would mean stop, too.
                let _ = stopping.wait_for(|stop| *stop).await;
            }),
        })
    })
}

struct EventBody {
    inner: Body,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl HttpBody for EventBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }
}
