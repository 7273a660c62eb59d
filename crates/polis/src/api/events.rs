//! The live stream: requests that arrive, are answered, are diagnosed again, or are removed.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Query as Params, State},
    http::HeaderMap,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use serde_json::json;

use super::{
    error::ApiError,
    query::{Query, given},
    shared::Shared,
};
use crate::{
    captured::Captured,
    store::{Change, ChangeKind, Filter},
};

/// Proxies close silent connections after a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Reader {
    shared: Shared,
    query: Query,
    filter: Filter,
    /// The last change that was reported.
    at: u64,
    pending: std::vec::IntoIter<Change>,
    changed: tokio::sync::watch::Receiver<u64>,
    stop: tokio::sync::watch::Receiver<bool>,
}

pub(super) async fn stream(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let filter = query.filter()?;
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .or_else(|| given(&query.last_event_id));
    let changed = shared.polis.store.watch();
    let newest = *changed.borrow();
    let at = match last {
        None => newest,
        // An id from an earlier run cannot be continued from: the reader is told to read everything again.
        Some(id) => id
            .strip_prefix(shared.polis.run.as_str())
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|sequence| sequence.parse().ok())
            .unwrap_or(u64::MAX),
    };
    let reader = Reader {
        stop: shared.stop.clone(),
        shared,
        query,
        filter,
        at,
        pending: Vec::new().into_iter(),
        changed,
    };
    Ok((
        [("cache-control", "no-store"), ("x-accel-buffering", "no")],
        Sse::new(events(reader)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)),
    ))
}

fn events(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((reader, true), |(mut reader, first)| async move {
        if first {
            // Opens the stream at once, and reports where it begins.
            if let Some(event) = reader.hello() {
                return Some((Ok(event), (reader, false)));
            }
        }
        let event = reader.next().await?;
        Some((Ok(event), (reader, false)))
    })
}

impl Reader {
    fn id(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.shared.polis.run)
    }

    fn hello(&self) -> Option<Event> {
        (self.at != u64::MAX).then(|| {
            Event::default()
                .id(self.id(self.at))
                .event("open")
                .data("{}")
        })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(change) = self.pending.next() {
                self.at = change.sequence;
                if let Some(event) = self.told(change) {
                    return Some(event);
                }
            }
            self.changed.borrow_and_update();
            match self.shared.polis.store.changes_after(self.at) {
                Ok(changes) if !changes.is_empty() => self.pending = changes.into_iter(),
                Ok(_) => {
                    let mut stop = self.stop.clone();
                    tokio::select! {
                        _ = stop.wait_for(|stop| *stop) => return None,
                        changed = self.changed.changed() => changed.ok()?,
                    }
                }
                Err(missed) => {
                    self.at = missed.newest;
                    return Some(
                        Event::default()
                            .id(self.id(missed.newest))
                            .event("reset")
                            .data(r#"{"text":"changes were missed; read the list again"}"#),
                    );
                }
            }
        }
    }

    /// The event for a change, if this reader may and wants to see it.
    fn told(&self, change: Change) -> Option<Event> {
        let event = Event::default().id(self.id(change.sequence));
        if change.kind == ChangeKind::Removed {
            return Some(
                event
                    .event("removed")
                    .data(json!({ "id": change.id }).to_string()),
            );
        }
        // It may have been dropped since.
        let record = self.shared.polis.store.get(change.id)?;
        if !self.filter.wants(&record) {
            return None;
        }
        let name = match change.kind {
            ChangeKind::Arrived => "arrived",
            ChangeKind::Answered => "answered",
            ChangeKind::Diagnosed => "diagnosed",
            // The request itself has not changed.
            ChangeKind::SentAgain | ChangeKind::Commented | ChangeKind::Removed => return None,
        };
        let captured = Captured::summary(&record, self.query.redactor(&self.shared));
        event.event(name).json_data(captured).ok()
    }
}
