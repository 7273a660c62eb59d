//! A buffered connection: it yields heads, and the bytes after them.

use std::{io, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};

/// How much is read from the socket at once; a typical webhook fits.
const READ_BYTES: usize = 8 * 1024;

/// How long and how large a head may be.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes up to and including the empty line.
    pub bytes: usize,
    /// The time from when the connection was ready for it to its last byte.
    pub time: Duration,
}

/// Why no complete head arrived.
#[derive(Debug, thiserror::Error)]
pub enum HeadFault {
    /// It is larger than the limit.
    #[error("the head is larger than {0} bytes; no more of it is read")]
    TooLarge(usize),
    /// The time limit ran out first.
    #[error("the head was not complete after {0:?}")]
    TooSlow(Duration),
    /// The client closed the connection in the middle.
    #[error("the client closed the connection in the middle of the head")]
    Ended,
    /// The connection failed.
    #[error("reading the head failed: {0}")]
    Broken(#[from] io::Error),
}

/// A stream and what was read from it but not yet used.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    buffer: BytesMut,
}

impl<S: AsyncRead + Unpin> Connection<S> {
    /// A connection from which nothing has been read yet.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// The stream itself, to write to, or to continue reading after what is buffered.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// What was read but not yet used.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Marks this many buffered bytes as used.
    pub fn consume(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
    }

    /// Reads once; 0 means that the other side closed the connection.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.buffer).await
    }

    /// The next head with its empty line; `None` when the client closed, or sent nothing, between
    /// two requests.
    pub async fn head(&mut self, limits: &HeadLimits) -> Result<Option<Bytes>, HeadFault> {
        let mut searched = 0;
        let deadline = Instant::now() + limits.time;
        loop {
            // A TLS client waits for an answer and never sends an empty line.
            if self.buffer.first() == Some(&0x16) {
                return Ok(Some(self.buffer.split().freeze()));
            }
            if let Some(end) = head_end(&self.buffer, searched) {
                if end > limits.bytes {
                    return Err(HeadFault::TooLarge(limits.bytes));
                }
                // A copy of the right size: a slice would keep the whole read buffer alive.
                let head = Bytes::copy_from_slice(&self.buffer[..end]);
                self.consume(end);
                return Ok(Some(head));
            }
            searched = self.buffer.len().saturating_sub(2);
            if self.buffer.len() > limits.bytes {
                return Err(HeadFault::TooLarge(limits.bytes));
            }
            let is_silent = self.buffer.is_empty();
            match timeout_at(deadline, self.fill()).await {
                // Between two requests a client may close the connection or stay silent: that is no
                // fault.
                Err(_) | Ok(Ok(0) | Err(_)) if is_silent => return Ok(None),
                Err(_) => return Err(HeadFault::TooSlow(limits.time)),
                Ok(Ok(0)) => return Err(HeadFault::Ended),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error.into()),
            }
        }
    }
}

/// Where the head ends: after an empty line that is not the first line.
fn head_end(buffer: &[u8], searched: usize) -> Option<usize> {
    let mut position = searched;
    while let Some(offset) = buffer.get(position..)?.iter().position(|b| *b == b'\n') {
        let newline = position + offset;
        let line_before = buffer[..newline]
            .iter()
            .any(|b| !matches!(b, b'\r' | b'\n'));
        match (buffer.get(newline + 1), buffer.get(newline + 2)) {
            (Some(b'\n'), _) if line_before => return Some(newline + 2),
            (Some(b'\r'), Some(b'\n')) if line_before => return Some(newline + 3),
            _ => position = newline + 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 64,
        time: Duration::from_secs(5),
    };

    #[tokio::test]
    async fn pipelined_heads_come_one_by_one() {
        let wire = b"\r\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\n\nrest";
        let mut connection = Connection::new(&wire[..]);
        let first = connection.head(&LIMITS).await.unwrap().unwrap();
        assert_eq!(&first[..], b"\r\nGET /1 HTTP/1.1\r\n\r\n");
        let second = connection.head(&LIMITS).await.unwrap().unwrap();
        assert_eq!(&second[..], b"GET /2 HTTP/1.1\n\n");
        assert_eq!(connection.buffered(), b"rest");
        assert!(matches!(
            connection.head(&LIMITS).await,
            Err(HeadFault::Ended)
        ));
    }

    #[tokio::test]
    async fn a_head_over_the_limit_is_refused() {
        let wire = [b'a'; 100];
        let mut connection = Connection::new(&wire[..]);
        assert!(matches!(
            connection.head(&LIMITS).await,
            Err(HeadFault::TooLarge(64))
        ));
    }

    #[tokio::test]
    async fn a_head_that_dawdles_and_a_silent_connection_end() {
        let limits = HeadLimits {
            bytes: 64,
            time: Duration::from_millis(10),
        };
        let (mut client, server) = tokio::io::duplex(64);
        let mut connection = Connection::new(server);
        assert!(matches!(connection.head(&limits).await, Ok(None)));
        tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HT")
            .await
            .unwrap();
        assert!(matches!(
            connection.head(&limits).await,
            Err(HeadFault::TooSlow(_))
        ));
    }

    #[tokio::test]
    async fn a_head_split_anywhere_is_found() {
        let wire = b"GET / HTTP/1.1\r\nA: b\r\n\r\n";
        for cut in 1..wire.len() {
            let halves = AsyncReadExt::chain(&wire[..cut], &wire[cut..]);
            let mut connection = Connection::new(halves);
            let head = connection.head(&LIMITS).await.unwrap().unwrap();
            assert_eq!(&head[..], wire);
        }
    }
}
