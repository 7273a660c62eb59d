//! Asks the texter what becomes of each text, and keeps the journeys informed.
//!
//! An event is followed once the texter has answered its webhook, until the text's final status,
//! the time limit, or until the endpoint turns out to know nothing of texts.

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

/// Maximum number of events followed at once; each holds a connection to the texter. One more is
/// followed only when its page is next opened.
const FOLLOWED_MAX: usize = 32;
/// A carrier that has not confirmed by then seldom will; opening the page asks again.
const FOLLOW_TIME: Duration = Duration::from_secs(15 * 60);
/// The pause between two requests while the texter does not answer.
const PAUSE: Duration = Duration::from_secs(1);
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A larger event is not from the texter.
const EVENT_BYTES_MAX: usize = 64 * 1024;
/// Longer than the interval of a live stream's keep-alives.
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
    /// The text has reached its final status.
    End,
    /// The connection ended; there may be more to come.
    Pause,
    /// There was no answer.
    Nothing,
    /// This endpoint does not report on texts.
    NoTexter,
}

impl Follower {
    /// A follower of `texter`'s texts, which stops when `stop` is cancelled.
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

    /// Follows `event_id`'s text, unless it is already followed or too many are.
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

    /// Waits until nothing is followed any more; call this after the stop.
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
                    tracing::warn!(
                        event.id = event_id,
                        "the text's final status did not arrive in time"
                    );
                    self.journeys.set_text(event_id, Text::LostSight(last));
                    return;
                }
                Ok(Heard::End) => return,
                Ok(Heard::NoTexter) => match self.journeys.get(event_id) {
                    // A texter that has not accepted the event yet may get it with the next attempt.
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

    /// Reads one of the texter's event streams until it ends.
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

/// The status in `event`, if it is about the event that was asked for.
fn parse(event: &str, event_id: &str) -> Option<TextStatus> {
    match serde_json::from_str::<TextStatus>(event) {
        Ok(status) if status.event_id == event_id => Some(status),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(event.id = event_id, %error, "the texter's status was not understood");
            None
        }
    }
}
