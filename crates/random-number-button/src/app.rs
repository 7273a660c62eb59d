//! The button's routes.

use std::{convert::Infallible, time::SystemTime};

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{
        Html, IntoResponse, Redirect, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::stream;
use serde::Deserialize;

use crate::{
    button::{Button, Inner, PressError},
    journey::Journey,
    page::{self, HISTORY_SHOWN, History, JourneyPart, Page},
    story,
};

/// How soon a press that failed for the store's sake is worth repeating, in seconds.
const STORE_RETRY_AFTER_SECONDS: u64 = 5;

/// The whole app, ready to be served.
pub fn app(button: &Button) -> Router {
    let router = Router::new()
        .route("/", get(show).post(press))
        .route("/live", get(live))
        .route("/assets/button.css", get(stylesheet))
        .route("/assets/button.js", get(script))
        .route("/assets/icon.svg", get(icon))
        .fallback(nowhere)
        .with_state(button.clone())
        .merge(serve::shared_assets());
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
}

impl Address {
    fn journey(&self, inner: &Inner) -> Option<Journey> {
        let number = self.num.as_deref()?.parse().ok()?;
        inner.journeys.find(number, self.event.as_deref())
    }
}

async fn show(State(button): State<Button>, Query(address): Query<Address>) -> Response {
    let journey = address.journey(&button.inner);
    if let Some(journey) = &journey {
        // Somebody looks at it again: worth asking the texter once more.
        button.inner.follow_if_due(&journey.event_id);
    }
    page(&button.inner, journey.as_ref(), None)
}

async fn press(State(button): State<Button>) -> Response {
    // In a task of its own: a browser that hangs up must not leave a press half done.
    let inner = button.inner.clone();
    let pressed = tokio::spawn(async move { inner.press().await }).await;
    let (status, wait_seconds, notice) = match pressed {
        Ok(Ok(journey)) => {
            return Redirect::to(&page::address(journey.number, &journey.event_id)).into_response();
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
            tracing::error!(%error, "a press broke off");
            not_stored()
        }
    };
    let page = page(&button.inner, None, Some(notice));
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

fn page(inner: &Inner, journey: Option<&Journey>, notice: Option<String>) -> Response {
    let now = SystemTime::now();
    let (here, live) = match journey {
        Some(journey) => {
            let here = page::address(journey.number, &journey.event_id);
            let live = format!("/live{}", here.trim_start_matches('/'));
            (here, live)
        }
        None => ("/".to_owned(), "/live".to_owned()),
    };
    let page = Page {
        pages: inner.pages.seen_from("button"),
        notice,
        live,
        here,
        story: journey.map(|journey| story::tell(journey, now)),
        history: history(inner, journey, now),
    };
    match page.render() {
        // A journey moves on: what the browser keeps would soon be untrue.
        Ok(html) => ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page can't be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn history(inner: &Inner, journey: Option<&Journey>, now: SystemTime) -> History {
    let shown = journey.map(|journey| journey.event_id.as_str());
    History::new(&inner.journeys.newest(HISTORY_SHOWN), shown, now)
}

/// The parts of the page that change, each time that they do.
async fn live(State(button): State<Button>, Query(address): Query<Address>) -> Response {
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
    let page = LivePage {
        button,
        address,
        journey: String::new(),
        history: String::new(),
    };
    let parts = stream::unfold((page, moved, place), |(mut page, mut moved, place)| async {
        loop {
            let stop = page.button.inner.stop.clone();
            tokio::select! {
                () = stop.cancelled() => return None,
                changed = moved.changed() => changed.ok()?,
            }
            let news = page.news();
            if !news.is_empty() {
                return Some((stream::iter(news), (page, moved, place)));
            }
        }
    });
    let events = futures_util::StreamExt::flatten(parts);
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// What one open page was last told.
struct LivePage {
    button: Button,
    address: Address,
    journey: String,
    history: String,
}

impl LivePage {
    /// The parts that differ from what was told last.
    fn news(&mut self) -> Vec<Result<Event, Infallible>> {
        let inner = &self.button.inner;
        let now = SystemTime::now();
        let journey = self.address.journey(inner);
        let history = history(inner, journey.as_ref(), now);
        let story = journey.map(|journey| story::tell(&journey, now));
        let journey = story.and_then(|story| JourneyPart { story }.render().ok());
        let mut news = Vec::new();
        for (name, html, told) in [
            ("journey", journey, &mut self.journey),
            ("history", history.render().ok(), &mut self.history),
        ] {
            if let Some(html) = html
                && html != *told
            {
                // A carriage return can't be carried by an event stream.
                let data = html.replace('\r', " ");
                news.push(Ok(Event::default().event(name).data(data)));
                *told = html;
            }
        }
        news
    }
}

async fn stylesheet() -> impl IntoResponse {
    let css = include_str!("../../../templates/random-number-button/button.css");
    asset("text/css; charset=utf-8", css)
}

async fn script() -> impl IntoResponse {
    let js = include_str!("../../../templates/random-number-button/button.js");
    asset("text/javascript; charset=utf-8", js)
}

async fn icon() -> impl IntoResponse {
    let svg = include_str!("../../../templates/random-number-button/icon.svg");
    asset("image/svg+xml", svg)
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "max-age=300"),
        ],
        text,
    )
}

async fn nowhere() -> impl IntoResponse {
    (
        StatusCode::NOT_FOUND,
        "there is no such page; the button is at /\n",
    )
}
