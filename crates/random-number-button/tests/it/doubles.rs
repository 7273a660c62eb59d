//! A texter to script and a visitor without a browser.

#![allow(clippy::unwrap_used, reason = "a double that fails fails its test")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Request, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use random_number_button::{Button, Settings, app};
use serve::EventStream;
use tokio::sync::watch;
use tower::ServiceExt;

/// Longer than anything that works takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes; an event of the page says only that something changed.
const EVENT_BYTES_MAX: usize = 1024;

/// A texter with scripted answers.
#[derive(Debug, Clone)]
pub(crate) struct Texter {
    pub(crate) url: String,
    script: Arc<Script>,
}

#[derive(Debug)]
struct Script {
    answer: Mutex<(StatusCode, &'static str)>,
    received: Mutex<Vec<(HeaderMap, String)>>,
    /// The status and error that it reports for every text; `None`: it knows nothing of texts.
    told: watch::Sender<Option<(&'static str, &'static str)>>,
}

impl Texter {
    /// A texter that accepts every number and reports nothing about texts, at `port` or any free one.
    pub(crate) async fn start(port: u16) -> Self {
        let script = Arc::new(Script {
            answer: Mutex::new((StatusCode::CREATED, "{}")),
            received: Mutex::default(),
            told: watch::Sender::new(None),
        });
        let router = Router::new()
            .route("/", post(receive))
            .route("/texts/{event_id}/events", get(tell))
            .with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    pub(crate) fn answers(&self, status: u16, body: &'static str) {
        *self.script.answer.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), body);
    }

    /// From now on every text has this status and reason.
    pub(crate) fn tells(&self, status: &'static str, reason: &'static str) {
        self.script.told.send_replace(Some((status, reason)));
    }

    /// The webhooks that arrived: headers and body.
    pub(crate) fn received(&self) -> Vec<(HeaderMap, String)> {
        self.script.received.lock().unwrap().clone()
    }
}

async fn receive(State(script): State<Arc<Script>>, headers: HeaderMap, body: String) -> Response {
    script.received.lock().unwrap().push((headers, body));
    let (status, body) = *script.answer.lock().unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn tell(State(script): State<Arc<Script>>, Path(event_id): Path<String>) -> Response {
    let told = script.told.subscribe();
    if told.borrow().is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let events = stream::unfold((told, true), |(mut told, first)| async move {
        if !first {
            told.changed().await.ok()?;
        }
        let current = *told.borrow_and_update();
        Some((current, (told, false)))
    });
    let events = events.filter_map(move |told| {
        let event = told.map(|(status, reason)| {
            let text = serde_json::json!({
                "event_id": event_id,
                "status": status,
                "error_code": null,
                "error_message": if reason.is_empty() { None } else { Some(reason) },
                "updated_at": "2015-09-28T10:00:00Z",
            });
            Ok::<_, Infallible>(Event::default().data(text.to_string()))
        });
        async { event }
    });
    Sse::new(events).into_response()
}

/// An answer of the button.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Settings for a button that sends to `urls` and keeps its events in `store`.
pub(crate) fn settings(urls: &[&str], store: &str, more: &[(&str, &str)]) -> Settings {
    let url = |name: &str| {
        let number: usize = name.strip_prefix("WEBHOOK_URLS_")?.parse().ok()?;
        urls.get(number.checked_sub(1)?)
            .map(|url| (*url).to_owned())
    };
    let variables = serve::Variables::of(|name| match name {
        _ if url(name).is_some() => url(name),
        "BUTTON_STORE" => Some(store.to_owned()),
        _ => more
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned()),
    });
    variables.read(Settings::read).unwrap()
}

/// A button in memory that always draws 641.
pub(crate) async fn button(urls: &[&str], more: &[(&str, &str)]) -> Button {
    Button::open(&settings(urls, ":memory:", more), || 641)
        .await
        .unwrap()
}

pub(crate) async fn request(
    button: &Button,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, "localhost:9090");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let answer = app(button).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// Presses the button and returns the address of the number's page.
pub(crate) async fn press(button: &Button) -> String {
    let answer = request(button, "POST", "/", &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.headers[header::LOCATION]
        .to_str()
        .unwrap()
        .to_owned()
}

/// Loads `uri` again and again until the page has `part`.
pub(crate) async fn shows(button: &Button, uri: &str, part: &str) -> String {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let page = request(button, "GET", uri, &[]).await.text;
        if page.contains(part) {
            return page;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "no {part:?} in {page}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A page that is kept live: the stream, and the parts that it asks for at each word of it.
pub(crate) struct Live {
    stream: Body,
    events: EventStream,
    button: Button,
    parts: String,
}

impl Live {
    pub(crate) async fn open(button: &Button, page: &str) -> Self {
        let request = Request::get("/live")
            .header(header::HOST, "localhost:9090")
            .body(Body::empty())
            .unwrap();
        let answer = app(button).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        Self {
            stream: answer.into_body(),
            events: EventStream::new(EVENT_BYTES_MAX),
            button: button.clone(),
            parts: format!("/parts{}", page.trim_start_matches('/')),
        }
    }

    /// Reads on until an event that a browser passes on.
    pub(crate) async fn hears(&mut self) {
        let reading = async {
            loop {
                let frame = self.stream.frame().await;
                let frame = frame.expect("the stream goes on").unwrap();
                let bytes = frame.into_data().unwrap_or_default();
                if !self.events.feed(&bytes).unwrap().is_empty() {
                    return;
                }
            }
        };
        let heard = tokio::time::timeout(PATIENCE, reading).await;
        assert!(heard.is_ok(), "no event, or one without data");
    }

    /// Continues reading until the page has `part`.
    pub(crate) async fn tells(&mut self, part: &str) {
        let mut told = String::new();
        let reading = async {
            while !told.contains(part) {
                self.hears().await;
                let parts = request(&self.button, "GET", &self.parts, &[]).await.text;
                let parts: serde_json::Value = serde_json::from_str(&parts).unwrap();
                told = ["journey", "polling", "history"]
                    .map(|name| parts[name].as_str().unwrap_or_default())
                    .join("\n");
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        assert!(read.is_ok(), "no {part:?} in {told}");
    }

    /// Whether the stream ends within the time that a stop may take.
    pub(crate) async fn ends(mut self) -> bool {
        let reading = async { while self.stream.frame().await.is_some() {} };
        tokio::time::timeout(PATIENCE, reading).await.is_ok()
    }
}
