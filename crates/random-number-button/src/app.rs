//! The button's routes.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use askama::Template;
#[cfg(feature = "postgres")]
use axum::http::HeaderMap;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{
        Html, IntoResponse, Redirect, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};

use crate::{
    breakage::Breakage,
    button::{Button, Inner, PressError},
    journey::Journey,
    journeys::KEPT_MAX,
    page::{self, Guide, HISTORY_SHOWN, History, JourneyPart, Page, PollingPart},
    polis,
    polling::{self, INTERVAL_DEFAULT_SECONDS, INTERVALS_SECONDS},
    story::{self, Story},
};

/// How soon a press that failed because of the store is worth repeating, in seconds.
const STORE_RETRY_AFTER_SECONDS: u64 = 5;

/// Minimum time between two notifications to pages: each then asks once for everything that changed.
const LIVE_PAUSE: Duration = Duration::from_millis(50);

/// The whole app, ready to be served.
pub fn app(button: &Button) -> Router {
    let router = Router::new()
        .route("/", get(show).post(press))
        .route("/live", get(live))
        .route("/parts", get(parts))
        .route("/in-polis", get(in_polis))
        .route("/break/{what}", post(break_it))
        .route("/put-right", post(put_right));
    #[cfg(feature = "postgres")]
    let router = router.route(crate::twin::END, post(end));
    let router = router
        .fallback(nowhere)
        .with_state(button.clone())
        .merge(page::ASSETS.routes());
    serve::protect(serve::same_origin(
        router,
        button.inner.host_names.iter().cloned(),
    ))
}

/// Which journey a page shows. Anything that is not a drawn number shows nothing.
#[derive(Debug, Default, Deserialize)]
struct Address {
    num: Option<String>,
    event: Option<String>,
    /// What was broken for this number.
    broken: Option<String>,
    /// The interval of the polling that is compared, in seconds.
    poll: Option<String>,
}

impl Address {
    fn journey(&self, inner: &Inner) -> Option<Journey> {
        let number = self.num.as_deref()?.parse().ok()?;
        inner.journeys.find(number, self.event.as_deref())
    }

    fn poll_seconds(&self) -> u64 {
        let asked = self.poll.as_deref().and_then(|poll| poll.parse().ok());
        asked
            .filter(|seconds| INTERVALS_SECONDS.contains(seconds))
            .unwrap_or(INTERVAL_DEFAULT_SECONDS)
    }

    fn broken(&self) -> Option<Breakage> {
        self.broken.as_deref().and_then(Breakage::parse)
    }
}

async fn show(State(button): State<Button>, Query(address): Query<Address>) -> Response {
    let journey = address.journey(&button.inner);
    if let Some(journey) = &journey {
        // Somebody is looking at it again: it is worth asking the texter once more.
        button.inner.follow_if_due(&journey.event_id);
    }
    page(&button.inner, &address, journey.as_ref(), None).await
}

/// Redirects to polis's page on an attempt.
async fn in_polis(State(button): State<Button>, Query(wanted): Query<Wanted>) -> Response {
    let inner = &button.inner;
    let Some(page) = inner.pages.url("polis") else {
        return nowhere().await.into_response();
    };
    if inner.journeys.get(&wanted.event).is_none() {
        return nowhere().await.into_response();
    }
    let found = polis::find(&inner.client, page, &wanted.event, wanted.attempt).await;
    Redirect::to(&found).into_response()
}

/// An attempt to find in polis.
#[derive(Debug, Deserialize)]
struct Wanted {
    event: String,
    attempt: u32,
}

/// Breaks something, and draws a number that runs into it.
async fn break_it(State(button): State<Button>, Path(what): Path<String>) -> Response {
    let inner = &button.inner;
    let (Some(breakage), Some(switchboard)) = (Breakage::parse(&what), &inner.switchboard) else {
        return nowhere().await.into_response();
    };
    if breakage == Breakage::TwinKilled {
        return kill_twin(&button).await;
    }
    match switchboard.break_it(breakage).await {
        Ok(()) => {
            tracing::info!("{}: on purpose, from the page", breakage.title());
            press_meeting(&button, Some(breakage)).await
        }
        Err(error) => not_switched(inner, &error.to_string()).await,
    }
}

/// Kills the other button while it is sending a number, and redirects to that number's page here.
#[cfg(feature = "postgres")]
async fn kill_twin(button: &Button) -> Response {
    let inner = button.inner.clone();
    // In its own task: the phone must not stay slow when a browser hangs up.
    let killed = tokio::spawn(async move {
        let (Some(twin), Some(switchboard)) = (&inner.twin, &inner.switchboard) else {
            return Ok(None);
        };
        switchboard.break_it(Breakage::TwinKilled).await?;
        let killed = inner.end_twin(twin).await;
        switchboard.put_right().await?;
        killed.map(Some)
    });
    match killed.await {
        Ok(Ok(Some(journey))) => {
            tracing::info!("the other button was killed, on purpose, from the page");
            let breakage = Some(Breakage::TwinKilled);
            Redirect::to(&address_of(&journey, breakage)).into_response()
        }
        Ok(Ok(None)) => nowhere().await.into_response(),
        Ok(Err(error)) => not_switched(&button.inner, &error.to_string()).await,
        Err(error) => {
            tracing::error!(%error, "killing the other button failed halfway");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(not(feature = "postgres"))]
async fn kill_twin(_button: &Button) -> Response {
    nowhere().await.into_response()
}

/// Kills this button, when the other one asks for it.
#[cfg(feature = "postgres")]
async fn end(State(button): State<Button>, headers: HeaderMap) -> Response {
    match &button.inner.twin {
        Some(twin) if twin.is_ended(&headers) => StatusCode::ACCEPTED.into_response(),
        _ => nowhere().await.into_response(),
    }
}

/// The URL of a number's page, which says what was broken for it.
fn address_of(journey: &Journey, broken: Option<Breakage>) -> String {
    let address = page::address(journey.number, &journey.event_id);
    match broken {
        Some(breakage) => format!("{address}&broken={}#watch", breakage.word()),
        None => address,
    }
}

async fn put_right(State(button): State<Button>) -> Response {
    let inner = &button.inner;
    let Some(switchboard) = &inner.switchboard else {
        return nowhere().await.into_response();
    };
    match switchboard.put_right().await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => not_switched(inner, &error.to_string()).await,
    }
}

async fn not_switched(inner: &Inner, reason: &str) -> Response {
    let notice = Some(reason.to_owned());
    let page = page(inner, &Address::default(), None, notice).await;
    (StatusCode::BAD_GATEWAY, page).into_response()
}

async fn press(State(button): State<Button>) -> Response {
    press_meeting(&button, None).await
}

/// Presses the button, and redirects to the number's page, which says what was broken for it.
async fn press_meeting(button: &Button, broken: Option<Breakage>) -> Response {
    // In its own task: a browser that hangs up must not leave a press half done.
    let inner = button.inner.clone();
    let pressed = tokio::spawn(async move { inner.press().await }).await;
    let (status, wait_seconds, notice) = match pressed {
        Ok(Ok(journey)) => {
            return Redirect::to(&address_of(&journey, broken)).into_response();
        }
        Ok(Err(PressError::TooMany(refusal))) => (
            StatusCode::TOO_MANY_REQUESTS,
            refusal.wait.as_secs() + 1,
            refusal.to_string(),
        ),
        Ok(Err(PressError::Store(error))) => {
            tracing::error!(%error, "a press was not stored");
            not_stored()
        }
        Err(error) => {
            tracing::error!(%error, "a press failed halfway");
            not_stored()
        }
    };
    let page = page(&button.inner, &Address::default(), None, Some(notice)).await;
    (
        status,
        [(header::RETRY_AFTER, wait_seconds.to_string())],
        page,
    )
        .into_response()
}

fn not_stored() -> (StatusCode, u64, String) {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        STORE_RETRY_AFTER_SECONDS,
        "The number could not be stored, so nothing was sent. Press again in a moment; \
         if it stays like this, the button's log says why."
            .to_owned(),
    )
}

async fn page(
    inner: &Inner,
    address: &Address,
    journey: Option<&Journey>,
    notice: Option<String>,
) -> Response {
    let now = SystemTime::now();
    let polling = polling(inner, address, now);
    let here = match journey {
        Some(journey) => {
            let here = page::address(journey.number, &journey.event_id);
            format!("{here}&poll={}", address.poll_seconds())
        }
        None => format!("/?poll={}", address.poll_seconds()),
    };
    let twin = twin(inner);
    let guide = match &inner.switchboard {
        Some(switchboard) if polling.is_some() => Some(Guide {
            airplane: switchboard.is_in_airplane_mode().await,
            has_twin: twin.is_some(),
        }),
        _ => None,
    };
    let page = Page {
        pages: inner.pages.seen_from("button"),
        phone: inner.pages.url("phone").map(str::to_owned),
        notice,
        parts: format!("/parts{}", here.trim_start_matches('/')),
        poll_seconds: address.poll_seconds(),
        here,
        story: journey.map(|journey| told(inner, journey, now)),
        broken: address.broken().filter(|_| journey.is_some()),
        guide,
        twin,
        shown: journey.map(|journey| (journey.number, journey.event_id.clone())),
        polling,
        history: history(inner, journey, now),
    };
    match page.render() {
        // A journey changes: a cached copy would soon be wrong.
        Ok(html) => ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page can't be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The journey in sentences, with links to its webhooks in polis if that runs.
fn told(inner: &Inner, journey: &Journey, now: SystemTime) -> Story {
    let mut story = story::tell(journey, now);
    if inner.pages.url("polis").is_some() {
        story.link("polis", |attempt| {
            page::in_polis(&journey.event_id, attempt)
        });
    }
    story
}

/// Polling compared with the webhooks of this run; `None` before the first.
fn polling(inner: &Inner, address: &Address, now: SystemTime) -> Option<PollingPart> {
    let journeys = inner.journeys.newest(KEPT_MAX);
    // Once the oldest ones are dropped, counting begins with the oldest that is known.
    let since = match journeys.last() {
        Some(oldest) if journeys.len() == KEPT_MAX => oldest.drawn_at.max(inner.started_at),
        _ => inner.started_at,
    };
    let interval = Duration::from_secs(address.poll_seconds());
    let comparison = polling::compare(&journeys, since, now, interval);
    (comparison.drawn > 0).then_some(PollingPart { comparison })
}

/// Which of two buttons holds which deliveries; `None` if there is only one.
#[cfg(feature = "postgres")]
fn twin(inner: &Inner) -> Option<String> {
    inner.twin.as_ref()?.part().render().ok()
}

#[cfg(not(feature = "postgres"))]
fn twin(_inner: &Inner) -> Option<String> {
    None
}

fn history(inner: &Inner, journey: Option<&Journey>, now: SystemTime) -> History {
    let shown = journey.map(|journey| journey.event_id.as_str());
    History::new(&inner.journeys.newest(HISTORY_SHOWN), shown, now)
}

/// Sends an event at once and then at each change. The stream is the same for every page, so
/// that all windows of a browser share one; each asks for its own parts.
async fn live(State(button): State<Button>) -> Response {
    let Ok(place) = button.inner.live_places.clone().try_acquire_owned() else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "30")],
            "too many pages are open at once; reload this one to see news\n",
        )
            .into_response();
    };
    let mut moved = button.inner.journeys.moved();
    moved.mark_changed();
    let stop = button.inner.stop.clone();
    let events = stream::unfold((moved, stop, place), |(mut moved, stop, place)| async {
        tokio::select! {
            () = stop.cancelled() => return None,
            changed = moved.changed() => changed.ok()?,
        }
        // Browsers drop an event that has no data, and axum writes no line for empty data.
        let event = Event::default().event("moved").data("{}");
        tokio::time::sleep(LIVE_PAUSE).await;
        Some((Ok::<_, Infallible>(event), (moved, stop, place)))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// The parts of a page that change, as HTML; parts that the page does not have are left out.
#[derive(Debug, Serialize)]
struct Parts {
    #[serde(skip_serializing_if = "Option::is_none")]
    journey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    polling: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<String>,
}

async fn parts(State(button): State<Button>, Query(address): Query<Address>) -> Response {
    let inner = &button.inner;
    let now = SystemTime::now();
    let journey = address.journey(inner);
    let history = history(inner, journey.as_ref(), now);
    let polling = polling(inner, &address, now);
    let story = journey.map(|journey| told(inner, &journey, now));
    let parts = Parts {
        journey: story.and_then(|story| JourneyPart { story }.render().ok()),
        polling: polling.and_then(|part| part.render().ok()),
        history: history.render().ok(),
        twin: twin(inner),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(parts)).into_response()
}

async fn nowhere() -> impl IntoResponse {
    (
        StatusCode::NOT_FOUND,
        "there is no such page; the button is at /\n",
    )
}
