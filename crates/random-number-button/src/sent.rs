//! The requests exactly as they went out, for the page that shows them.
//!
//! Kept in memory, for as many events as the page knows; those of an earlier run are gone.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use webhooks_core::OutgoingRequest;

/// Events whose requests are kept: as many as the page knows.
pub(crate) const EVENTS_MAX: usize = 1_000;
/// Requests kept for one event: three endpoints with a whole retry schedule.
const REQUESTS_MAX: usize = 50;
/// Maximum time between an attempt's start and the moment its request was seen. Attempts of one
/// delivery are at least five seconds apart.
const APART_MAX: Duration = Duration::from_secs(2);

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentRequest {
    seen_at: SystemTime,
    /// Where it went.
    pub(crate) url: String,
    /// The headers in the order in which they were sent.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

/// The requests of the last events.
#[derive(Debug, Default)]
pub(crate) struct SentRequests(Mutex<VecDeque<(String, Vec<Arc<SentRequest>>)>>);

impl SentRequests {
    /// Keeps a request that is about to go out.
    pub(crate) fn note(&self, request: OutgoingRequest<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut headers: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect();
        // The HTTP client adds this one.
        let length = request.body.len().to_string();
        headers.push(("content-length".to_owned(), length));
        let sent = Arc::new(SentRequest {
            seen_at: SystemTime::now(),
            url: request.url.to_string(),
            headers,
            body: text(request.body),
        });
        let mut events = self.0.lock();
        let known = events
            .iter_mut()
            .rev()
            .find(|(id, _)| id == request.event_id);
        match known {
            Some((_, requests)) if requests.len() < REQUESTS_MAX => requests.push(sent),
            Some(_) => {}
            None => {
                events.push_back((request.event_id.to_owned(), vec![sent]));
                if events.len() > EVENTS_MAX {
                    events.pop_front();
                }
            }
        }
    }

    /// The request of the attempt that was made at `at` to `url`; `None` when an earlier run made
    /// it.
    pub(crate) fn find(
        &self,
        event_id: &str,
        url: &str,
        at: SystemTime,
    ) -> Option<Arc<SentRequest>> {
        let events = self.0.lock();
        let (_, requests) = events.iter().rev().find(|(id, _)| id == event_id)?;
        requests
            .iter()
            .filter(|sent| sent.url == url)
            .map(|sent| (apart(sent.seen_at, at), sent))
            .filter(|(apart, _)| *apart < APART_MAX)
            .min_by_key(|(apart, _)| *apart)
            .map(|(_, sent)| Arc::clone(sent))
    }
}

fn apart(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|early| early.duration())
}
