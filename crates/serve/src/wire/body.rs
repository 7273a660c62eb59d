//! The body after a head: how it is framed, and reading it within its limits.

use std::{io, time::Duration};

use bytes::Bytes;
use tokio::{
    io::AsyncRead,
    time::{Instant, timeout_at},
};

use super::reception::Reservation;
use super::{Connection, Head, StatusHead, Version};

/// The longest size line of a chunk, extensions included; real ones have under 20 bytes.
const CHUNK_LINE_BYTES: usize = 1024;
/// The maximum size of all trailers of a chunked body together.
const TRAILER_BYTES: usize = 16 * 1024;

/// How the end of a body is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// As many bytes as `Content-Length` says.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// A response that ends when the connection does.
    UntilClose,
}

/// What is wrong with a body.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// `Content-Length` is not a number.
    #[error("content-length {0:?} is not a number")]
    Length(String),
    /// Two content lengths contradict each other.
    #[error("content-length is given twice with different values: {0} and {1}")]
    Lengths(u64, u64),
    /// A transfer coding that is not `chunked` alone.
    #[error("transfer-encoding {0:?} is not supported; chunked is")]
    Coding(String),
    /// A chunk without a size.
    #[error("chunk {number} begins with {line:?}, which is not a hexadecimal size")]
    ChunkSize {
        /// Counted from 1.
        number: u64,
        /// What is there instead.
        line: String,
    },
    /// A chunk, counted from 1, that does not end where its size says.
    #[error("chunk {0} is longer than its size says: no line end follows its data")]
    ChunkEnd(u64),
    /// The trailers after the last chunk are too large.
    #[error("the trailers are larger than {TRAILER_BYTES} bytes")]
    Trailers,
    /// The client closed the connection in the middle.
    #[error("the client closed the connection after {received} bytes of the body{}", match .expected { Some(expected) => format!("; content-length says {expected}"), None => String::new() })]
    Ended {
        /// Bytes received.
        received: u64,
        /// Bytes announced.
        expected: Option<u64>,
    },
    /// The time limit ran out first.
    #[error("the body was not complete after {limit:?}; {received} bytes of it came")]
    TooSlow {
        /// Bytes received.
        received: u64,
        /// The time limit.
        limit: Duration,
    },
    /// It has more bytes than are kept.
    #[error("the body is larger than {limit} bytes; the rest was cut")]
    TooLarge {
        /// The maximum number of bytes in one body.
        limit: usize,
    },
    /// The bodies being received have more bytes together than may be held.
    #[error("the bodies being received at once exceed {limit} bytes together; the rest was cut")]
    Crowded {
        /// The maximum number of bytes in all of them.
        limit: usize,
    },
    /// The connection failed.
    #[error("reading the body failed: {0}")]
    Broken(#[from] io::Error),
}

impl BodyFault {
    /// The status of the response that refuses the request.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::Crowded { .. } => 503,
            Self::TooSlow { .. } => 408,
            Self::Coding(_) => 501,
            _ => 400,
        }
    }

    /// Whether bytes were left out because of a limit.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Crowded { .. })
    }
}

impl Framing {
    /// The framing of a request's body; when no header announces one, there is none.
    ///
    /// # Errors
    /// [`BodyFault`] when its headers contradict each other or are not understood.
    pub fn of_request(head: &Head) -> Result<Self, BodyFault> {
        let codings: Vec<&[u8]> = head.all("transfer-encoding").collect();
        if !codings.is_empty() {
            return chunked(&codings);
        }
        Ok(length(head.all("content-length"))?.map_or(Self::None, Self::Length))
    }

    /// The framing of the body of a response to a request with this method.
    ///
    /// # Errors
    /// [`BodyFault`] when its headers contradict each other or are not understood.
    pub fn of_answer(head: &StatusHead, method: &str) -> Result<Self, BodyFault> {
        if method == "HEAD" || head.status == 204 || head.status == 304 {
            return Ok(Self::None);
        }
        let codings: Vec<&[u8]> = head.all("transfer-encoding").collect();
        if !codings.is_empty() && head.version == Version::Http11 {
            return chunked(&codings);
        }
        Ok(length(head.all("content-length"))?.map_or(Self::UntilClose, Self::Length))
    }
}

fn chunked(codings: &[&[u8]]) -> Result<Framing, BodyFault> {
    match codings {
        [one] if one.trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        others => Err(BodyFault::Coding(
            String::from_utf8_lossy(&others.join(&b", "[..])).into_owned(),
        )),
    }
}

fn length<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Option<u64>, BodyFault> {
    let mut known = None;
    for value in values {
        let wrong = || BodyFault::Length(String::from_utf8_lossy(value).into_owned());
        let text = std::str::from_utf8(value).map_err(|_| wrong())?;
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let length: u64 = text.parse().map_err(|_| wrong())?;
        match known {
            Some(before) if before != length => return Err(BodyFault::Lengths(before, length)),
            _ => known = Some(length),
        }
    }
    Ok(known)
}

/// How much of a body is kept, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The maximum number of bytes; any more are cut off.
    pub bytes: usize,
    /// The maximum time from the first read to the last byte.
    pub time: Duration,
}

/// What was read of a body; with a fault, the part that came before it.
#[derive(Debug, Default)]
pub struct ReadBody {
    /// The body, without chunk framing.
    pub bytes: Bytes,
    /// Lines after the last chunk, as received.
    pub trailers: Vec<u8>,
    /// Why it ended early.
    pub fault: Option<BodyFault>,
}

/// Reads a body; a fault ends it, and what came before the fault is kept.
pub async fn read_body<S: AsyncRead + Unpin>(
    connection: &mut Connection<S>,
    framing: Framing,
    limits: BodyLimits,
    reservation: Reservation<'_>,
) -> ReadBody {
    if framing == Framing::None {
        return ReadBody::default();
    }
    let mut reading = Reading {
        connection,
        limits,
        reservation,
        body: Vec::new(),
        trailers: Vec::new(),
        announced: None,
        deadline: Instant::now() + limits.time,
    };
    let fault = match framing {
        Framing::None => None,
        Framing::Length(length) => reading.fixed(length).await.err(),
        Framing::Chunked => reading.chunks().await.err(),
        Framing::UntilClose => reading.until_close().await.err(),
    };
    ReadBody {
        // Converting to a boxed slice frees the spare capacity of the growing buffer.
        bytes: Bytes::from(reading.body.into_boxed_slice()),
        trailers: reading.trailers,
        fault,
    }
}

struct Reading<'a, S> {
    connection: &'a mut Connection<S>,
    limits: BodyLimits,
    reservation: Reservation<'a>,
    body: Vec<u8>,
    trailers: Vec<u8>,
    announced: Option<u64>,
    deadline: Instant,
}

impl<S: AsyncRead + Unpin> Reading<'_, S> {
    fn received(&self) -> u64 {
        self.body.len() as u64
    }

    async fn fill(&mut self) -> Result<(), BodyFault> {
        match timeout_at(self.deadline, self.connection.fill()).await {
            Err(_) => Err(BodyFault::TooSlow {
                received: self.received(),
                limit: self.limits.time,
            }),
            Ok(Ok(0)) => Err(BodyFault::Ended {
                received: self.received(),
                expected: self.announced,
            }),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
        }
    }

    /// Moves up to `wanted` buffered bytes into the body.
    fn take(&mut self, wanted: u64) -> Result<u64, BodyFault> {
        let there = self.connection.buffered().len();
        let count = usize::try_from(wanted).map_or(there, |wanted| wanted.min(there));
        let room = self.limits.bytes - self.body.len();
        let kept = count.min(room);
        if !self.reservation.grow(kept) {
            return Err(BodyFault::Crowded {
                limit: self.reservation.limit(),
            });
        }
        self.body
            .extend_from_slice(&self.connection.buffered()[..kept]);
        self.connection.consume(kept);
        if kept < count {
            return Err(BodyFault::TooLarge {
                limit: self.limits.bytes,
            });
        }
        Ok(count as u64)
    }

    async fn fixed(&mut self, length: u64) -> Result<(), BodyFault> {
        self.announced = Some(length);
        self.exactly(length).await
    }

    async fn exactly(&mut self, length: u64) -> Result<(), BodyFault> {
        let mut left = length;
        loop {
            left -= self.take(left)?;
            if left == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    async fn until_close(&mut self) -> Result<(), BodyFault> {
        loop {
            self.take(u64::MAX)?;
            match self.fill().await {
                Err(BodyFault::Ended { .. }) => return Ok(()),
                other => other?,
            }
        }
    }

    async fn chunks(&mut self) -> Result<(), BodyFault> {
        let mut number = 0;
        loop {
            number += 1;
            let line = self
                .line(CHUNK_LINE_BYTES)
                .await?
                .ok_or_else(|| BodyFault::ChunkSize {
                    number,
                    line: format!("a line over {CHUNK_LINE_BYTES} bytes"),
                })?;
            let digits = line.split(|b| *b == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(digits.trim_ascii())
                .ok()
                .filter(|digits| {
                    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())
                })
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .ok_or_else(|| BodyFault::ChunkSize {
                    number,
                    line: String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned(),
                })?;
            if size == 0 {
                return self.trailers().await;
            }
            self.exactly(size).await?;
            match self.line(2).await? {
                Some(line) if line.is_empty() => {}
                _ => return Err(BodyFault::ChunkEnd(number)),
            }
        }
    }

    async fn trailers(&mut self) -> Result<(), BodyFault> {
        loop {
            let line = self.line(TRAILER_BYTES).await?.ok_or(BodyFault::Trailers)?;
            if line.is_empty() {
                return Ok(());
            }
            if self.trailers.len() + line.len() > TRAILER_BYTES {
                return Err(BodyFault::Trailers);
            }
            self.trailers.extend_from_slice(&line);
            self.trailers.extend_from_slice(b"\r\n");
        }
    }

    /// A line without its end; `None` when it is longer than `limit`.
    async fn line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, BodyFault> {
        loop {
            let buffered = self.connection.buffered();
            if let Some(newline) = buffered.iter().take(limit).position(|b| *b == b'\n') {
                let mut line = buffered[..newline].to_vec();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                self.connection.consume(newline + 1);
                return Ok(Some(line));
            }
            if buffered.len() >= limit {
                return Ok(None);
            }
            self.fill().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reception::Reception;
    use super::*;

    async fn read(wire: &[u8], framing: Framing, bytes: usize) -> ReadBody {
        let reception = Reception::new(1 << 20);
        let limits = BodyLimits {
            bytes,
            time: Duration::from_secs(5),
        };
        let mut connection = Connection::new(wire);
        read_body(&mut connection, framing, limits, reception.reserve()).await
    }

    #[tokio::test]
    async fn a_body_that_stays_away_or_drips_ends() {
        let reception = Reception::new(1 << 20);
        let limits = BodyLimits {
            bytes: 100,
            time: Duration::from_millis(10),
        };
        let (mut client, server) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"half")
            .await
            .unwrap();
        let mut connection = Connection::new(server);
        let framing = Framing::Length(8);
        let body = read_body(&mut connection, framing, limits, reception.reserve()).await;
        assert_eq!(
            fault(&body),
            "the body was not complete after 10ms; 4 bytes of it came"
        );
        assert_eq!(&body.bytes[..], b"half");
    }

    fn fault(body: &ReadBody) -> String {
        body.fault
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    #[tokio::test]
    async fn chunks_extensions_and_trailers_are_read() {
        let wire = b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n";
        let body = read(wire, Framing::Chunked, 100).await;
        assert_eq!(&body.bytes[..], b"hello world");
        assert_eq!(body.trailers, b"X-Sum: 1\r\n");
        assert!(body.fault.is_none());
    }

    #[tokio::test]
    async fn broken_chunks_keep_what_came_and_say_why() {
        let body = read(b"5\r\nhello\r\nzz\r\n", Framing::Chunked, 100).await;
        assert_eq!(&body.bytes[..], b"hello");
        assert_eq!(
            fault(&body),
            "chunk 2 begins with \"zz\", which is not a hexadecimal size"
        );
        let body = read(b"5\r\nhello world\r\n", Framing::Chunked, 100).await;
        assert!(fault(&body).contains("chunk 1 is longer"));
    }

    #[tokio::test]
    async fn a_short_body_says_how_much_came() {
        let body = read(b"hello", Framing::Length(10), 100).await;
        assert_eq!(
            fault(&body),
            "the client closed the connection after 5 bytes of the body; content-length says 10"
        );
    }

    #[tokio::test]
    async fn a_long_body_is_cut_at_the_limit() {
        let body = read(b"hello world", Framing::Length(11), 5).await;
        assert_eq!(&body.bytes[..], b"hello");
        assert!(body.fault.unwrap().is_cut());
    }
}
