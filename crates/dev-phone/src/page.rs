//! The page: the phone as it is now, and the stream that keeps open pages up to date.

use std::{convert::Infallible, sync::LazyLock, time::Duration};

use askama::Template;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, broadcast};

use crate::{
    account::Account,
    bubble::{Bubble, ExchangeLine},
    call_url::CallUrl,
    inbox::Change,
    phone::Phone,
    reply::LONGEST_REPLY,
    switches::{Answer, DeliveryError, Switches},
};

/// Shorter than the minute after which proxies close a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The page's styles and scripts.
pub(crate) static ASSETS: LazyLock<serve::Assets> = LazyLock::new(
    || serve::assets!("../../../templates/dev-phone/": "phone.css", "phone.js", "icon.svg"),
);

/// The routes of the page.
pub(crate) fn routes() -> Router<Phone> {
    Router::new()
        .route("/", get(show))
        .route("/events", get(events))
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    pages: Vec<serve::PageLink>,
    contact: String,
    own: String,
    sid: String,
    /// The token if it is the public development token; else the name of its variable.
    shown_token: &'static str,
    from: String,
    to: String,
    host: String,
    reply_url: Option<String>,
    longest_reply: usize,
    days: Vec<(String, Vec<Bubble>)>,
    exchanges: Vec<ExchangeLine>,
    airplane: bool,
    answers: Vec<Choice>,
    times: String,
    delivery_errors: Vec<Choice>,
    slow: Vec<Choice>,
}

/// One option of a switch.
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

async fn show(State(phone): State<Phone>, headers: HeaderMap) -> Response {
    let account = phone.account();
    let zone = phone.time_zone();
    let mut days: Vec<(String, Vec<Bubble>)> = Vec::new();
    for message in phone.messages() {
        let bubble = Bubble::of(&message, account, zone);
        match days.last_mut() {
            Some((day, bubbles)) if day == bubble.day() => bubbles.push(bubble),
            _ => days.push((bubble.day().to_owned(), vec![bubble])),
        }
    }
    let switches = phone.switches();
    let page = Page {
        pages: phone.pages().seen_from("phone"),
        contact: account.from.pretty(),
        own: account.to.pretty(),
        sid: account.sid.as_str().to_owned(),
        shown_token: if account.token.matches(Account::DEVELOPMENT_TOKEN) {
            Account::DEVELOPMENT_TOKEN
        } else {
            "$SMS_TWILIO_TOKEN"
        },
        from: account.from.to_string(),
        to: account.to.to_string(),
        host: headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or("localhost:9020")
            .to_owned(),
        reply_url: phone.reply_url().map(CallUrl::readable),
        longest_reply: LONGEST_REPLY,
        days,
        exchanges: phone
            .inbox()
            .exchanges()
            .iter()
            .map(|exchange| ExchangeLine::of(exchange, zone))
            .collect(),
        airplane: switches.airplane,
        answers: answers(&switches),
        times: switches
            .times
            .map(|times| times.to_string())
            .unwrap_or_default(),
        delivery_errors: delivery_errors(&switches),
        slow: slow(&switches),
    };
    match page.render() {
        Ok(html) => ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn answers(switches: &Switches) -> Vec<Choice> {
    let label = |answer| match answer {
        Answer::Accept => "Accept the text",
        Answer::TooManyRequests => "Answer 429, too many requests (20429)",
        Answer::QueueFull => "Answer 429, queue is full (21611)",
        Answer::ServerError => "Answer 500",
        Answer::Drop => "Drop the connection, accept no text",
        Answer::AcceptThenDrop => "Accept the text, then drop the connection",
    };
    Answer::ALL
        .into_iter()
        .map(|answer| Choice {
            value: answer.name().to_owned(),
            label: label(answer).to_owned(),
            chosen: answer == switches.answer,
        })
        .collect()
}

fn delivery_errors(switches: &Switches) -> Vec<Choice> {
    DeliveryError::ALL
        .into_iter()
        .map(|error| Choice {
            value: error.code().to_string(),
            label: format!("{} {}", error.code(), error.reason()),
            chosen: error == switches.delivery_error,
        })
        .collect()
}

fn slow(switches: &Switches) -> Vec<Choice> {
    let now = switches.slow.as_secs();
    let mut seconds = vec![0, 2, 5, 15, 30, 60];
    // A program may have set another value: the page shows that too.
    if !seconds.contains(&now) {
        seconds.push(now);
        seconds.sort_unstable();
    }
    seconds
        .into_iter()
        .map(|seconds| Choice {
            value: seconds.to_string(),
            label: match seconds {
                0 => "Off".to_owned(),
                seconds => format!("{seconds} s"),
            },
            chosen: seconds == now,
        })
        .collect()
}

async fn events(State(phone): State<Phone>) -> Response {
    let Some(place) = phone.watch() else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages are watching this phone; close one\n",
        )
            .into_response();
    };
    Sse::new(live(phone, place))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// The stream of changes, until the phone is shut down; `place` counts the page until it is closed.
fn live(
    phone: Phone,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let changes = phone.inbox().changes();
    let end = phone.clone();
    stream::unfold(
        (phone, changes, place),
        |(phone, mut changes, place)| async {
            let event = match changes.recv().await {
                Ok(change) => event(&phone, change),
                Err(broadcast::error::RecvError::Lagged(_)) => named("lost", ""),
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            Some((Ok(event), (phone, changes, place)))
        },
    )
    .take_until(async move { end.stopped().await })
}

fn event(phone: &Phone, change: Change) -> Event {
    let zone = phone.time_zone();
    match change {
        Change::Message(message) => rendered("text", &Bubble::of(&message, phone.account(), zone)),
        Change::Gone(sid) => named("gone", sid.as_str()),
        Change::Exchange(exchange) => rendered("exchange", &ExchangeLine::of(&exchange, zone)),
        Change::Switches(switches) => named("switches", &switches.json().to_string()),
    }
}

fn rendered(name: &str, template: &impl Template) -> Event {
    match template.render() {
        Ok(html) => named(name, &html),
        // The page then reads everything again.
        Err(_) => named("lost", ""),
    }
}

/// An event with a JSON string as its data, so that a line break in a text cannot end it.
fn named(name: &str, data: &str) -> Event {
    let data = serde_json::Value::from(data).to_string();
    Event::default().event(name).data(data)
}
