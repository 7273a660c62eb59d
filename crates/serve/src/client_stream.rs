//! A client's connection that can neither stall nor be closed too early.
//!
//! A client that stops reading its response is cut off. A client that is still sending when the
//! server has responded gets to read that response: closing a socket with unread bytes would make
//! the operating system throw the response away.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// How long a client that is still sending may take to notice that it was answered.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// How many bytes such a client may still send: a few times the largest body that the default
/// limits allow.
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Whether a client may be in the middle of sending a request.
///
/// Reading bytes sets it; whoever has read a request to its end clears it. Only how the connection
/// is closed depends on it, so it needs no ordering with other memory.
#[derive(Clone, Default)]
pub(crate) struct MidRequest(Arc<AtomicBool>);

impl MidRequest {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct ClientStream {
    stream: TcpStream,
    mid_request: MidRequest,
    stall_time: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
}

struct Linger {
    end: Pin<Box<Sleep>>,
    left_bytes: usize,
}

impl ClientStream {
    pub(crate) fn new(stream: TcpStream, stall_time: Duration, mid_request: MidRequest) -> Self {
        Self {
            stream,
            mid_request,
            stall_time,
            stalled: None,
            linger: None,
        }
    }

    /// Turns a write that has been pending for too long into an error.
    fn bounded<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall_time = self.stall_time;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(stall_time)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client read nothing of its response for too long",
        )))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before_bytes = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before_bytes {
            self.mid_request.begin();
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let linger = match &mut this.linger {
            Some(linger) => linger,
            None => {
                ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                if !this.mid_request.get() {
                    return Poll::Ready(Ok(()));
                }
                this.linger.insert(Linger {
                    end: Box::pin(sleep(LINGER_TIME)),
                    left_bytes: LINGER_BYTES,
                })
            }
        };
        let mut scratch = [0; 8192];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                // Whatever the client does from here on, it has been answered.
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {
                    let read_bytes = buffer.filled().len();
                    if read_bytes == 0 || read_bytes >= linger.left_bytes {
                        return Poll::Ready(Ok(()));
                    }
                    linger.left_bytes -= read_bytes;
                }
                Poll::Pending => return linger.end.as_mut().poll(cx).map(Ok),
            }
        }
    }
}
