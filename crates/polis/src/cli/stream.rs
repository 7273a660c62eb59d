//! Reads the live stream of the API event by event.

use std::collections::VecDeque;

use serve::{EventStream, StreamEvent};

use super::{
    client::{Client, Pairs, broken},
    trouble::Trouble,
};
use crate::captured::Captured;

/// A summary has no body and no headers; a longer event is not from polis.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the stream reports.
#[derive(Debug)]
pub(super) enum Told {
    Arrived(Box<Captured>),
    Answered(Box<Captured>),
    /// Changes were missed; the list must be read again.
    Missed,
}

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    answer: reqwest::Response,
    events: EventStream,
    unread: VecDeque<StreamEvent>,
}

impl Stream {
    /// Opens it, and waits until polis reports everything from now on.
    pub(super) async fn open(client: &Client, query: &Pairs) -> Result<Self, Trouble> {
        let mut stream = Self {
            answer: client.events(query).await?,
            events: EventStream::new(EVENT_BYTES_MAX),
            unread: VecDeque::new(),
        };
        // The first event says that it is open.
        stream.event().await?;
        Ok(stream)
    }

    /// The next event that matters; `None` if polis ended the stream.
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

    async fn event(&mut self) -> Result<Option<StreamEvent>, Trouble> {
        while self.unread.is_empty() {
            let Some(chunk) = self.answer.chunk().await.map_err(broken)? else {
                return Ok(None);
            };
            let events = self.events.feed(&chunk);
            let events = events.map_err(|error| Trouble::Broken(error.to_string()))?;
            self.unread.extend(events);
        }
        Ok(self.unread.pop_front())
    }
}
