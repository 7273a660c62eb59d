//! `GET /texts/<event id>` and `GET /texts/<event id>/events`: how far an event's text has come,
//! for the program that sent the event. Reveals no phone number.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::Instant,
};

use crate::{text::Text, texter::Texter};

/// A text without status callbacks never reaches its final status; the follower may ask again.
const FOLLOWED_FOR: Duration = Duration::from_secs(15 * 60);
/// Below the idle time limits of proxies, which begin at 30 s.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(15);

/// One text, as the crate's documentation describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Journey {
    event_id: String,
    status: &'static str,
    sid: Option<String>,
    error_code: Option<i64>,
    error_message: Option<String>,
    updated_at: String,
}

impl Journey {
    fn of(text: &Text) -> Self {
        Self {
            event_id: text.event_id.clone().unwrap_or_default(),
            status: text.state.status(),
            sid: text.sid.clone(),
            error_code: text.reason.as_ref().and_then(|reason| reason.code),
            error_message: text.reason.as_ref().map(|reason| reason.words.clone()),
            updated_at: text.updated_at.to_string(),
        }
    }
}

/// The answer for an event that has no journey.
#[derive(Serialize)]
struct Unknown {
    error: &'static str,
}

/// The text as it is now.
pub(crate) async fn show(State(texter): State<Texter>, Path(event_id): Path<String>) -> Response {
    match find(&texter, &event_id).await {
        Ok(text) => (
            [(header::CACHE_CONTROL, "no-store")],
            Json(Journey::of(&text)),
        )
            .into_response(),
        Err(response) => response,
    }
}

/// The text as it is now and at each change, until its final status.
pub(crate) async fn follow(State(texter): State<Texter>, Path(event_id): Path<String>) -> Response {
    // Subscribes before the text is read, so that no change is missed in between.
    let changes = texter.parts().changes.subscribe();
    let Ok(place) = Arc::clone(&texter.parts().followers).try_acquire_owned() else {
        let error = "too many journeys are followed; ask again later";
        let mut response =
            (StatusCode::SERVICE_UNAVAILABLE, Json(Unknown { error })).into_response();
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    let text = match find(&texter, &event_id).await {
        Ok(text) => text,
        Err(response) => return response,
    };
    let follower = Follower {
        texter,
        event_id,
        changes,
        next: Some(text),
        told: None,
        until: Instant::now() + FOLLOWED_FOR,
        _place: place,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let journey = follower.next().await?;
        let event = sse::Event::default().json_data(&journey).ok()?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE_EVERY))
        .into_response()
}

async fn find(texter: &Texter, event_id: &str) -> Result<Text, Response> {
    match texter.parts().ledger.of_event(event_id).await {
        Ok(Some(text)) => Ok(text),
        Ok(None) => {
            let error = "no text is known for this event";
            Err((StatusCode::NOT_FOUND, Json(Unknown { error })).into_response())
        }
        Err(error) => {
            tracing::error!(%error, "a journey could not be read");
            let error = "the texter's store failed; ask again later";
            Err((StatusCode::SERVICE_UNAVAILABLE, Json(Unknown { error })).into_response())
        }
    }
}

/// One reader of one journey.
struct Follower {
    texter: Texter,
    event_id: String,
    changes: broadcast::Receiver<Arc<Text>>,
    next: Option<Text>,
    told: Option<Text>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next change; `None` after the text's final status, or when it is time to ask again.
    async fn next(&mut self) -> Option<Journey> {
        loop {
            if let Some(text) = self.next.take()
                && self.told.as_ref() != Some(&text)
            {
                let journey = Journey::of(&text);
                self.told = Some(text);
                return Some(journey);
            }
            if self.told.as_ref().is_some_and(|text| text.state.is_final()) {
                return None;
            }
            let change = tokio::select! {
                () = self.texter.parts().stopping.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                change = self.changes.recv() => change,
            };
            self.next = match change {
                Ok(text) if text.event_id.as_deref() == Some(&self.event_id) => {
                    Some(text.as_ref().clone())
                }
                Ok(_) => None,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    Some(find(&self.texter, &self.event_id).await.ok()?)
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            };
        }
    }
}
