//! The head of a request or of a response: its first line and its headers, as received.

use bytes::Bytes;

/// Where a piece of the head lies in its raw bytes.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// The version in a request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

impl Version {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// Why the bytes are not the head of an HTTP/1 request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The sender speaks TLS.
    #[error(
        "this is a TLS handshake, not HTTP: the sender uses https:// on a plain http:// port; give it an http:// URL"
    )]
    Tls,
    /// The sender speaks HTTP/2.
    #[error("this is HTTP/2 without an upgrade; HTTP/1.0 and HTTP/1.1 are understood here")]
    Http2,
    /// The first line of a request.
    #[error("the request line {0:?} is not \"METHOD target HTTP/1.1\"")]
    RequestLine(String),
    /// The first line of a response.
    #[error("the status line {0:?} is not \"HTTP/1.1 status reason\"")]
    StatusLine(String),
    /// Another version of HTTP.
    #[error("the version {0:?} is not HTTP/1.0 or HTTP/1.1")]
    Version(String),
    /// A line that is not a header.
    #[error("header line {number} {line:?} is not \"Name: value\"")]
    HeaderLine {
        /// Counted from 1.
        number: usize,
        /// Its beginning.
        line: String,
    },
    /// A line, counted from 1, that continues the one before.
    #[error("header line {0} begins with a space: folded headers are obsolete and refused")]
    Folded(usize),
    /// A line, counted from 1, with a byte that some readers take for the end of the line.
    #[error("header line {0} contains a NUL or a bare carriage return")]
    Control(usize),
}

/// A request's head: the raw bytes, and where its parts lie in them.
#[derive(Debug, Clone)]
pub struct Head {
    raw: Bytes,
    method: Span,
    target: Span,
    version: Version,
    headers: Box<[(Span, Span)]>,
}

impl Head {
    /// Reads a head that ends with its empty line.
    ///
    /// # Errors
    /// [`HeadError`] names the line that is wrong.
    pub fn parse(raw: Bytes) -> Result<Self, HeadError> {
        if raw.first() == Some(&0x16) {
            return Err(HeadError::Tls);
        }
        if raw.starts_with(b"PRI * HTTP/2.0") {
            return Err(HeadError::Http2);
        }
        let mut lines = Lines {
            raw: &raw,
            position: 0,
        };
        // RFC 9112, 2.2: empty lines before the request line are skipped.
        let line = loop {
            match lines.next() {
                Some(line) if line.start == line.end => {}
                Some(line) => break line,
                None => return Err(HeadError::RequestLine(String::new())),
            }
        };
        let bytes = slice(&raw, line);
        let wrong = || HeadError::RequestLine(shorten(bytes));
        let first = bytes.iter().position(|b| *b == b' ').ok_or_else(wrong)?;
        let last = bytes.iter().rposition(|b| *b == b' ').ok_or_else(wrong)?;
        let target = bytes.get(first + 1..last).ok_or_else(wrong)?;
        let method = &bytes[..first];
        if method.is_empty()
            || !method.iter().copied().all(is_token)
            || target.is_empty()
            || target.iter().any(|b| *b <= b' ' || *b == 0x7f)
        {
            return Err(wrong());
        }
        let version = match &bytes[last + 1..] {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            other if other.starts_with(b"HTTP/") => return Err(HeadError::Version(shorten(other))),
            _ => return Err(wrong()),
        };
        let method = span(line.start as usize, line.start as usize + first);
        let target = span(line.start as usize + first + 1, line.start as usize + last);
        let headers = header_lines(&raw, lines)?;
        Ok(Self {
            method,
            target,
            version,
            headers,
            raw,
        })
    }

    /// The whole head, its empty line included, as received.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The method, always a token, hence ASCII.
    pub fn method(&self) -> &str {
        std::str::from_utf8(slice(&self.raw, self.method)).unwrap_or_default()
    }

    /// The request target as received: path and query, or an absolute URL.
    pub fn target(&self) -> &[u8] {
        slice(&self.raw, self.target)
    }

    /// The target's path, without scheme, authority and query.
    pub fn path(&self) -> &[u8] {
        let origin = self.origin_form();
        let end = origin.iter().position(|b| *b == b'?');
        &origin[..end.unwrap_or(origin.len())]
    }

    /// The target's query without its question mark; empty when there is none.
    pub fn query(&self) -> &[u8] {
        let origin = self.origin_form();
        origin.get(self.path().len() + 1..).unwrap_or_default()
    }

    /// The target without scheme and authority: what a forwarded request asks for.
    pub fn origin_form(&self) -> &[u8] {
        let target = self.target();
        let Some(scheme) = find(target, b"://").filter(|_| target[0] != b'/') else {
            return target;
        };
        match target[scheme + 3..].iter().position(|b| *b == b'/') {
            Some(slash) => &target[scheme + 3 + slash..],
            None => b"/",
        }
    }

    /// The version of the request line.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Names and values in the order and case in which they were received, repeats included.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| {
            (
                std::str::from_utf8(slice(&self.raw, *name)).unwrap_or_default(),
                slice(&self.raw, *value),
            )
        })
    }

    /// How many header lines there are.
    pub fn header_count(&self) -> usize {
        self.headers.len()
    }

    /// The values of every header of this name, whatever its case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The value of the first header of this name.
    pub fn get<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The value of the first header of this name, when it is UTF-8.
    pub fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether a comma-separated header lists this word.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).any(|value| {
            value
                .split(|b| *b == b',')
                .any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
        })
    }
}

/// A response's head.
#[derive(Debug, Clone)]
pub struct StatusHead {
    /// 100 to 999.
    pub status: u16,
    /// The version in the status line.
    pub version: Version,
    /// In the order and case in which they were received, repeats included.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl StatusHead {
    /// Reads a head that ends with its empty line.
    ///
    /// # Errors
    /// [`HeadError`] names the line that is wrong.
    pub fn parse(raw: &[u8]) -> Result<Self, HeadError> {
        let mut lines = Lines { raw, position: 0 };
        let line = lines
            .next()
            .map(|line| slice(raw, line))
            .unwrap_or_default();
        let wrong = || HeadError::StatusLine(shorten(line));
        let version = match line.get(..9) {
            Some(b"HTTP/1.1 ") => Version::Http11,
            Some(b"HTTP/1.0 ") => Version::Http10,
            _ => return Err(wrong()),
        };
        let digits = line.get(9..12).ok_or_else(wrong)?;
        let status = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .filter(|status| (100..=999).contains(status))
            .ok_or_else(wrong)?;
        let headers = header_lines(raw, lines)?
            .iter()
            .map(|(name, value)| {
                (
                    String::from_utf8_lossy(slice(raw, *name)).into_owned(),
                    slice(raw, *value).to_vec(),
                )
            })
            .collect();
        Ok(Self {
            status,
            version,
            headers,
        })
    }

    /// The values of every header of this name, whatever its case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }
}

/// Headers that say where a message ends: whoever writes the message sets them.
pub fn is_framing(name: &str) -> bool {
    ["content-length", "transfer-encoding", "connection"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
}

/// Headers that belong to one connection and are never passed on.
pub fn is_hop_by_hop(name: &str) -> bool {
    [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
    .iter()
    .any(|hop| name.eq_ignore_ascii_case(hop))
}

fn header_lines(raw: &[u8], lines: Lines<'_>) -> Result<Box<[(Span, Span)]>, HeadError> {
    let mut headers = Vec::with_capacity(16);
    for (index, line) in lines.enumerate() {
        let number = index + 1;
        let bytes = slice(raw, line);
        if bytes.is_empty() {
            break;
        }
        if matches!(bytes[0], b' ' | b'\t') {
            return Err(HeadError::Folded(number));
        }
        let colon = bytes
            .iter()
            .position(|b| *b == b':')
            .filter(|colon| *colon > 0 && bytes[..*colon].iter().copied().all(is_token))
            .ok_or_else(|| HeadError::HeaderLine {
                number,
                line: shorten(bytes),
            })?;
        let value = bytes[colon + 1..].trim_ascii();
        if value.iter().any(|b| matches!(b, 0 | b'\r')) {
            return Err(HeadError::Control(number));
        }
        let start = line.start as usize;
        let lead = bytes[colon + 1..].len() - bytes[colon + 1..].trim_ascii_start().len();
        let value_start = start + colon + 1 + lead;
        headers.push((
            span(start, start + colon),
            span(value_start, value_start + value.len()),
        ));
    }
    Ok(headers.into_boxed_slice())
}

struct Lines<'a> {
    raw: &'a [u8],
    position: usize,
}

impl Iterator for Lines<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let rest = self.raw.get(self.position..).filter(|r| !r.is_empty())?;
        let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let start = self.position;
        self.position += length + 1;
        let carriage = usize::from(length > 0 && rest[length - 1] == b'\r');
        Some(span(start, start + length - carriage))
    }
}

/// Heads are bounded far below 4 GiB, so 32 bits hold every position.
fn span(start: usize, end: usize) -> Span {
    Span {
        start: u32::try_from(start).unwrap_or(u32::MAX),
        end: u32::try_from(end).unwrap_or(u32::MAX),
    }
}

fn slice(raw: &[u8], span: Span) -> &[u8] {
    raw.get(span.start as usize..span.end as usize)
        .unwrap_or_default()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn shorten(bytes: &[u8]) -> String {
    // Enough to recognise the line; a log line should stay a line.
    const SHOWN: usize = 80;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    if bytes.len() > SHOWN {
        format!("{text}…")
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Head, HeadError> {
        Head::parse(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn names_keep_order_case_and_repeats() {
        let head =
            parse("POST /a?b HTTP/1.1\r\nX-One: 1\r\nx-ONE:  2 \r\nHost: h\r\n\r\n").unwrap();
        let headers: Vec<_> = head.headers().collect();
        assert_eq!(
            headers,
            [
                ("X-One", &b"1"[..]),
                ("x-ONE", &b"2"[..]),
                ("Host", &b"h"[..])
            ]
        );
        assert_eq!(head.all("x-one").count(), 2);
        assert_eq!(head.path(), b"/a");
    }

    #[test]
    fn an_absolute_target_has_a_path() {
        let head = parse("GET http://h:1/a/b?c HTTP/1.0\n\n").unwrap();
        assert_eq!(head.path(), b"/a/b");
        assert_eq!(head.origin_form(), b"/a/b?c");
        assert_eq!(parse("GET http://h HTTP/1.0\n\n").unwrap().path(), b"/");
    }

    #[test]
    fn each_wrong_head_is_named() {
        assert_eq!(parse("\u{16}\u{3}\u{1}").unwrap_err(), HeadError::Tls);
        assert_eq!(
            parse("PRI * HTTP/2.0\r\n\r\n").unwrap_err(),
            HeadError::Http2
        );
        assert!(matches!(
            parse("hello\r\n\r\n").unwrap_err(),
            HeadError::RequestLine(_)
        ));
        assert!(matches!(
            parse("GET / HTTP/3.0\r\n\r\n").unwrap_err(),
            HeadError::Version(_)
        ));
        assert!(matches!(
            parse("GET / HTTP/1.1\r\nno colon\r\n\r\n").unwrap_err(),
            HeadError::HeaderLine { number: 1, .. }
        ));
        assert!(matches!(
            parse("GET / HTTP/1.1\r\nA : 1\r\n\r\n").unwrap_err(),
            HeadError::HeaderLine { .. }
        ));
        assert_eq!(
            parse("GET / HTTP/1.1\r\nA: 1\r\n b\r\n\r\n").unwrap_err(),
            HeadError::Folded(2)
        );
        assert_eq!(
            parse("GET / HTTP/1.1\r\nA: 1\0\r\n\r\n").unwrap_err(),
            HeadError::Control(1)
        );
    }
}
