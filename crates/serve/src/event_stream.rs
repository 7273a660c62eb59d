//! Reading a stream of server-sent events: bytes in, events out, however the bytes are split.

/// The stream sent an event that is longer than its reader accepts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is longer than {0} bytes")]
pub struct EventTooLong(usize);

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// The value of its `event` field; empty when it has none.
    pub name: String,
    /// Its `data` fields, one per line.
    pub data: String,
}

/// The part of an event stream that is not complete yet.
#[derive(Debug)]
pub struct EventStream {
    event_bytes_max: usize,
    line: Vec<u8>,
    name: String,
    data: Option<String>,
    after_cr: bool,
}

impl EventStream {
    /// A stream before its first byte. An event longer than `event_bytes_max` is an error.
    #[must_use]
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            line: Vec::new(),
            name: String::new(),
            data: None,
            after_cr: false,
        }
    }

    /// Takes the next bytes and returns every event that they complete. Events without data are
    /// skipped.
    ///
    /// # Errors
    /// [`EventTooLong`]: stop reading the stream.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<StreamEvent>, EventTooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let newline_of_crlf = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                _ if newline_of_crlf => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            let data = self.data.as_ref().map_or(0, String::len);
            if self.line.len() + self.name.len() + data > self.event_bytes_max {
                return Err(EventTooLong(self.event_bytes_max));
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<StreamEvent> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            return self.data.take().map(|data| StreamEvent { name, data });
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_bytes_are_cut() {
        let stream = b": hello\n\nid: 1\nevent: text\ndata: {\"a\":1}\n\nevent: none\n\ndata:x\r\ndata: y\r\n\r\n";
        let event = |name: &str, data: &str| StreamEvent {
            name: name.to_owned(),
            data: data.to_owned(),
        };
        for cut in 0..stream.len() {
            let mut reader = EventStream::new(64);
            let mut events = reader.feed(&stream[..cut]).unwrap();
            events.extend(reader.feed(&stream[cut..]).unwrap());
            let wanted = [event("text", "{\"a\":1}"), event("", "x\ny")];
            assert_eq!(events, wanted, "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = EventStream::new(64);
        assert_eq!(reader.feed(&[b'x'; 64]), Ok(vec![]));
        assert_eq!(reader.feed(b"x"), Err(EventTooLong(64)));
    }
}
