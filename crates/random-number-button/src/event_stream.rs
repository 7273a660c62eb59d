//! Reading a stream of server-sent events: bytes in, the data of each event out.

/// A line or an event longer than this is not the texter's; reading ends.
const EVENT_BYTES_MAX: usize = 64 * 1024;

/// The stream sent an event that is longer than any the texter sends.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is longer than {EVENT_BYTES_MAX} bytes")]
pub(crate) struct TooLong;

/// The part of an event stream that is not complete yet.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    line: Vec<u8>,
    data: Option<String>,
    after_cr: bool,
}

impl EventStream {
    /// Takes the next bytes and returns the data of every event that they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let newline_of_crlf = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                _ if newline_of_crlf => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > EVENT_BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.data.take();
        }
        let value = line.strip_prefix(b"data:")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let value = String::from_utf8_lossy(value);
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(&value);
            }
            None => self.data = Some(value.into_owned()),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_bytes_are_cut() {
        let stream = b": hello\n\nid: 1\nevent: text\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\n";
        for cut in 0..stream.len() {
            let mut reader = EventStream::default();
            let mut events = reader.feed(&stream[..cut]).unwrap();
            events.extend(reader.feed(&stream[cut..]).unwrap());
            assert_eq!(events, ["{\"a\":1}", "x\ny"], "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = EventStream::default();
        assert_eq!(reader.feed(&vec![b'x'; EVENT_BYTES_MAX]), Ok(vec![]));
        assert_eq!(reader.feed(b"x"), Err(TooLong));
    }
}
