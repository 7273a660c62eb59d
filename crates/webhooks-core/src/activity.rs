//! The live stream of what happens, for pages and logs.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use futures_util::Stream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use crate::{attempt::Attempt, delivery::EndReason, endpoint::EndpointId};

/// How many activities a slow reader may fall behind before it misses any.
pub const ACTIVITY_BUFFER: usize = 1024;

/// One thing that happened, reported after it was stored.
#[derive(Debug, Clone)]
pub struct Activity {
    /// The customer whose endpoint it is.
    pub customer: String,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// Its URL, with credentials hidden.
    pub url: String,
    /// The event's id, if the activity is about one.
    pub event_id: Option<String>,
    /// What happened.
    pub kind: ActivityKind,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ActivityKind {
    /// An attempt was made and recorded.
    Attempted {
        /// The request and its outcome.
        attempt: Attempt,
        /// What comes next for the delivery.
        next: NextStep,
    },
    /// A delivery ended without another attempt.
    Ended(EndReason),
    /// The endpoint was disabled: it answered 410, or failed for too long.
    EndpointDisabled {
        /// Why, as text for people.
        reason: String,
    },
    /// The endpoint is in trouble: its deliveries wait, and one is tried from time to time.
    EndpointInTrouble {
        /// When it is tried next.
        next_try: SystemTime,
    },
    /// The endpoint answers again, and all its waiting deliveries were sent.
    EndpointRecovered,
    /// Activities that were left out because this reader, or the node that reported them, was too slow.
    Missed(u64),
}

/// What comes after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: it was delivered.
    Done,
    /// Another attempt.
    RetryAt(SystemTime),
    /// Nothing: it was given up.
    GaveUp(EndReason),
}

/// A stream of [`Activity`]. A reader that falls more than [`ACTIVITY_BUFFER`] behind gets one
/// [`ActivityKind::Missed`] in place of what it missed.
#[derive(Debug)]
pub struct ActivityStream(BroadcastStream<Activity>);

impl Activity {
    /// `count` activities were left out.
    pub(crate) fn missed(count: u64) -> Self {
        Self {
            customer: String::new(),
            endpoint_id: EndpointId::from_stored(String::new()),
            url: String::new(),
            event_id: None,
            kind: ActivityKind::Missed(count),
        }
    }
}

impl ActivityStream {
    pub(crate) fn of(receiver: broadcast::Receiver<Activity>) -> Self {
        Self(BroadcastStream::new(receiver))
    }
}

impl Stream for ActivityStream {
    type Item = Activity;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Activity>> {
        Pin::new(&mut self.0).poll_next(cx).map(|item| {
            item.map(|result| match result {
                Ok(activity) => activity,
                Err(BroadcastStreamRecvError::Lagged(missed)) => Activity::missed(missed),
            })
        })
    }
}
