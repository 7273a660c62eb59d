//! The live stream of the API, read event by event.

use super::{
    client::{Client, Pairs, broken},
    trouble::Trouble,
};
use crate::captured::Captured;

/// A summary has no body and no headers; a longer event is none of polis.
const EVENT_BYTES: usize = 4 * 1024 * 1024;

/// What the stream tells.
#[derive(Debug)]
pub(super) enum Told {
    Arrived(Box<Captured>),
    Answered(Box<Captured>),
    /// Changes were missed; the list is to be read anew.
    Missed,
}

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    answer: reqwest::Response,
    unread: Vec<u8>,
}

impl Stream {
    /// Opens it and waits until polis tells everything from now on.
    pub(super) async fn open(client: &Client, query: &Pairs) -> Result<Self, Trouble> {
        let answer = client.events(query).await?;
        let mut stream = Self {
            answer,
            unread: Vec::new(),
        };
        // The first event says that it is open.
        stream.event().await?;
        Ok(stream)
    }

    /// The next event that matters; `None` when polis ended the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Told>, Trouble> {
        while let Some(event) = self.event().await? {
            let captured = || {
                serde_json::from_str(&event.data)
                    .map(Box::new)
                    .map_err(|error| Trouble::Broken(error.to_string()))
            };
            match event.name.as_str() {
                "arrived" => return Ok(Some(Told::Arrived(captured()?))),
                "answered" => return Ok(Some(Told::Answered(captured()?))),
                "reset" => return Ok(Some(Told::Missed)),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn event(&mut self) -> Result<Option<Event>, Trouble> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                let event = Event::read(&String::from_utf8_lossy(&block));
                // Comments keep the connection alive.
                if !event.name.is_empty() {
                    return Ok(Some(event));
                }
                continue;
            }
            if self.unread.len() > EVENT_BYTES {
                return Err(Trouble::Broken(format!(
                    "an event is longer than {EVENT_BYTES} bytes"
                )));
            }
            match self.answer.chunk().await.map_err(broken)? {
                Some(chunk) => self.unread.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

#[derive(Debug, Default)]
struct Event {
    name: String,
    data: String,
}

impl Event {
    fn read(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut event.name),
                "data" => event.data.push_str(value),
                _ => {}
            }
        }
        event
    }
}
