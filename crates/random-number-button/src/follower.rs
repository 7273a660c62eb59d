//! Asks the texter what becomes of each text, and keeps the journeys informed.
//!
//! An event is followed once the texter has answered for it, until the text's end, the time
//! limit, or an endpoint that turns out to know nothing of texts.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{StatusCode, header};
use serve::EventStream;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    journey::{Text, TextStatus},
    journeys::Journeys,
};

/// Events followed at once; each holds a connection to the texter. A further one is followed when
/// its page is next opened.
const FOLLOWED_MAX: usize = 32;
/// A carrier that has not confirmed by then seldom will; opening the page asks again.
const FOLLOW_TIME: Duration = Duration::from_secs(15 * 60);
/// Between two questions when the texter does not answer.
const PAUSE: Duration = Duration::from_secs(1);
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A longer event is not the texter's.
const EVENT_BYTES_MAX: usize = 64 * 1024;
/// Longer than the pauses between a live stream's signs of life.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Follows texts at one texter.
#[derive(Debug)]
pub(crate) struct Follower {
    texter: Url,
    client: reqwest::Client,
    journeys: Arc<Journeys>,
    followed: Mutex<HashSet<String>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Why listening to the texter ended.
enum Heard {
    /// The text's end.
    End,
    /// The connection ended; there may be more to hear.
    Pause,
    /// There is no answer.
    Nothing,
    /// This endpoint does not tell of texts.
    NoTexter,
}

impl Follower {
    /// A follower of `texter`'s texts, which stops when `stop` says so.
    pub(crate) fn new(
        texter: Url,
        journeys: Arc<Journeys>,
        stop: CancellationToken,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIME)
            .read_timeout(SILENCE_MAX)
            .user_agent("random-number-button")
            .build()?;
        Ok(Self {
            texter,
            client,
            journeys,
            followed: Mutex::new(HashSet::new()),
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// Follows `event_id`'s text, unless it is followed already or too many are.
    pub(crate) fn follow(self: &Arc<Self>, event_id: &str) {
        {
            let mut followed = self.lock();
            if followed.len() >= FOLLOWED_MAX || !followed.insert(event_id.to_owned()) {
                return;
            }
        }
        let follower = Arc::clone(self);
        let event_id = event_id.to_owned();
        self.tasks.spawn(async move {
            let stop = follower.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = follower.keep_asking(&event_id) => {}
            }
            follower.lock().remove(&event_id);
        });
    }

    /// Waits until nothing is followed any more; to be called after the stop.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn keep_asking(&self, event_id: &str) {
        let deadline = Instant::now() + FOLLOW_TIME;
        let mut last = None;
        loop {
            let listening = self.listen(event_id, &mut last);
            match tokio::time::timeout_at(deadline, listening).await {
                Err(_) => {
                    tracing::warn!(event.id = event_id, "the text's end was not heard in time");
                    self.journeys.set_text(event_id, Text::LostSight(last));
                    return;
                }
                Ok(Heard::End) => return,
                Ok(Heard::NoTexter) => match self.journeys.get(event_id) {
                    // One that has not taken the event yet may hear of it with the next attempt.
                    Some(journey) if !journey.is_taken() && journey.is_owed() => {}
                    _ => {
                        self.journeys.set_text(event_id, Text::NotTold);
                        return;
                    }
                },
                Ok(Heard::Nothing) if last.is_none() => {
                    self.journeys.set_text(event_id, Text::OutOfReach);
                }
                Ok(Heard::Nothing | Heard::Pause) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Listens to one answer of the texter's, as long as it goes on.
    async fn listen(&self, event_id: &str, last: &mut Option<TextStatus>) -> Heard {
        let mut url = self.texter.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(["texts", event_id, "events"]);
            }
            Err(()) => return Heard::NoTexter,
        }
        let asked = self
            .client
            .get(url)
            .header(header::ACCEPT, "text/event-stream")
            .send();
        let mut answer = match asked.await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(event.id = event_id, %error, "the texter can't be asked");
                return Heard::Nothing;
            }
        };
        match answer.status() {
            StatusCode::OK if is_event_stream(&answer) => {}
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Heard::Nothing;
            }
            _ => return Heard::NoTexter,
        }
        let mut events = EventStream::new(EVENT_BYTES_MAX);
        while let Ok(Some(bytes)) = answer.chunk().await {
            let Ok(events) = events.feed(&bytes) else {
                return Heard::NoTexter;
            };
            for event in events {
                let Some(status) = parse(&event.data, event_id) else {
                    continue;
                };
                let is_final = status.is_final();
                *last = Some(status.clone());
                self.journeys.set_text(event_id, Text::Told(status));
                if is_final {
                    return Heard::End;
                }
            }
        }
        Heard::Pause
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_event_stream(answer: &reqwest::Response) -> bool {
    answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/event-stream"))
}

/// The status in `event`, when it is of the event that was asked for.
fn parse(event: &str, event_id: &str) -> Option<TextStatus> {
    match serde_json::from_str::<TextStatus>(event) {
        Ok(status) if status.event_id == event_id => Some(status),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(event.id = event_id, %error, "the texter's word was not understood");
            None
        }
    }
}
