//! One HTTP/1.1 connection. Whoever makes a request drives it; an idle connection needs no task, and whether its
//! server has closed it is found out when it is used again.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::request::Request;

/// The maximum number of response headers; many servers refuse a request with more than a hundred.
const HEADERS_MAX: usize = 512;
/// The maximum number of bytes of a response's status line and headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The maximum number of interim responses (1xx) before the final one: servers send one or two.
const INTERIM_ANSWERS_MAX: usize = 16;

/// The transport of a connection: TCP, with TLS on top for https.
pub(super) type Transport = Either<TcpStream, TlsStream<TcpStream>>;

type Driver = http1::Connection<TokioIo<Watched>, Full<Bytes>>;

/// The place of one connection among all of them; freed when this is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// `https://acme.example`
    pub(super) origin: Arc<str>,
    pub(super) address: SocketAddr,
}

/// One connection to one origin.
pub(super) struct Connection {
    peer: Peer,
    requests: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<Driver>>,
    has_ended: bool,
    progress: Arc<Progress>,
    _place: Place,
}

/// What has come back since the last request.
#[derive(Default)]
struct Progress {
    /// Anything at all.
    answered: AtomicBool,
    interim_answers: AtomicUsize,
}

impl Connection {
    /// Speaks HTTP/1.1 over `transport`.
    pub(super) async fn new(peer: Peer, transport: Transport, place: Place) -> hyper::Result<Self> {
        let progress = Arc::<Progress>::default();
        let watched = Watched {
            transport,
            progress: Arc::clone(&progress),
        };
        let (requests, driver) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(watched))
            .await?;
        Ok(Self {
            peer,
            requests,
            driver: Box::pin(driver),
            has_ended: false,
            progress,
            _place: place,
        })
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether it can make a request now; false if its server has closed it.
    pub(super) async fn is_ready(&mut self) -> bool {
        std::future::poll_fn(|context| {
            self.drive(context);
            Poll::Ready(!self.has_ended && self.requests.is_ready())
        })
        .await
    }

    /// Makes a request; returns when the response headers have arrived.
    pub(super) async fn send(&mut self, mut request: Request) -> hyper::Result<Response<Incoming>> {
        self.progress.answered.store(false, Ordering::Relaxed);
        self.progress.interim_answers.store(0, Ordering::Relaxed);
        let progress = Arc::clone(&self.progress);
        hyper::ext::on_informational(&mut request, move |_| {
            progress.interim_answers.fetch_add(1, Ordering::Relaxed);
        });
        let mut answer = std::pin::pin!(self.requests.send_request(request));
        let (driver, has_ended) = (&mut self.driver, &mut self.has_ended);
        std::future::poll_fn(|context| {
            drive(driver, has_ended, context);
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Whether anything has come back since the last request.
    pub(super) fn has_answered(&self) -> bool {
        self.progress.answered.load(Ordering::Relaxed)
    }

    /// The next piece of a response's body.
    pub(super) async fn next_piece(
        &mut self,
        body: &mut Incoming,
    ) -> Option<hyper::Result<Frame<Bytes>>> {
        std::future::poll_fn(|context| {
            if let Poll::Ready(piece) = Pin::new(&mut *body).poll_frame(context) {
                return Poll::Ready(piece);
            }
            self.drive(context);
            Pin::new(&mut *body).poll_frame(context)
        })
        .await
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        drive(&mut self.driver, &mut self.has_ended, context);
    }
}

/// Reads and writes as much as possible. An error is reported to whoever waits for the response.
fn drive(driver: &mut Pin<Box<Driver>>, has_ended: &mut bool, context: &mut Context<'_>) {
    if !*has_ended && driver.as_mut().poll(context).is_ready() {
        *has_ended = true;
    }
}

/// Notes that something came back, and stops reading after too many interim responses.
struct Watched {
    transport: Transport,
    progress: Arc<Progress>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let interim_answers = self.progress.interim_answers.load(Ordering::Relaxed);
        if interim_answers > INTERIM_ANSWERS_MAX {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("more than {INTERIM_ANSWERS_MAX} interim responses and no final response"),
            )));
        }
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.transport).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.progress.answered.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}
