//! Keeps an open page up to date: a stream reports that something changed, and a page that then
//! asks for the rest says what it already has.
//!
//! The stream is the same for every reader, so that all tabs share one; each asks for the changes
//! that match its own filters.

use std::{collections::HashSet, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;

use crate::{api::shared::Shared, polis::Polis, record::Record};

/// Proxies close silent connections after a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Minimum time between two reported changes: a page asks once for everything that came meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// The newest change, at once and then whenever there is a newer one.
pub(super) async fn changes(State(shared): State<Shared>) -> impl IntoResponse {
    let mut changed = shared.polis.store.watch();
    changed.mark_changed();
    let told = stream::unfold((shared, changed), |(shared, mut changed)| async move {
        let mut stop = shared.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return None,
            changed = changed.changed() => changed.ok()?,
        }
        let event = Event::default()
            .event("changed")
            .data(newest(&shared.polis));
        tokio::time::sleep(PAUSE).await;
        Some((Ok::<_, Infallible>(event), (shared, changed)))
    });
    (
        [("cache-control", "no-store"), ("x-accel-buffering", "no")],
        Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)),
    )
}

/// Names the newest change and the run of polis that it belongs to.
pub(super) fn newest(polis: &Polis) -> String {
    format!("{}-{}", polis.run, *polis.store.watch().borrow())
}

/// What the asking page already has: it sends its newest change as `polis-known`, and the request
/// that it shows as `polis-shown`.
pub(super) struct Known {
    /// What changed since; `None` if it has nothing to continue from.
    changed: Option<HashSet<u64>>,
    shown: Option<u64>,
}

impl Known {
    pub(super) fn of(polis: &Polis, headers: &HeaderMap) -> Self {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let since = header("polis-known")
            .and_then(|known| known.strip_prefix(polis.run.as_str())?.strip_prefix('-'))
            .and_then(|sequence| sequence.parse().ok());
        let changes = since.and_then(|since| polis.store.changes_after(since).ok());
        Self {
            changed: changes.map(|changes| changes.iter().map(|change| change.id).collect()),
            shown: header("polis-shown").and_then(|id| id.parse().ok()),
        }
    }

    /// Whether the page has the current row of this record.
    pub(super) fn has_row(&self, record: &Record) -> bool {
        let changed = self.changed.as_ref();
        changed.is_some_and(|changed| !changed.contains(&record.id))
    }

    /// Whether the page shows the current state of this record and its delivery's other attempts.
    pub(super) fn has_detail(&self, polis: &Polis, record: &Record) -> bool {
        let is_same_delivery = |id: &u64| {
            let other = polis.store.get(*id);
            other.is_some_and(|other| {
                other.scope == record.scope
                    && other.delivery.as_ref().map(|delivery| &delivery.id)
                        == record.delivery.as_ref().map(|delivery| &delivery.id)
                    && record.delivery.is_some()
            })
        };
        self.shown == Some(record.id)
            && self.has_row(record)
            && !self.changed.iter().flatten().any(is_same_delivery)
    }
}
