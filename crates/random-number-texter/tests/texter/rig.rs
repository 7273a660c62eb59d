//! A texter with its own Twilio and clock.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use random_number_texter::{Clock, Config, OpenError, Texter, app};
use serde_json::Value;
use tower::ServiceExt;
use url::Url;

use crate::twilio::Twilio;

pub(crate) const SID: &str = "AC00000000000000000000000000000000";
pub(crate) const TOKEN: &str = "dev-phone-token";
pub(crate) const FROM: &str = "+15005550006";
pub(crate) const TO: &str = "+15555550100";
pub(crate) const BASE: &str = "http://127.0.0.1:9000";

/// Not the texter's variable but the rig's: how long a webhook may wait.
pub(crate) const ANSWER_MS: &str = "ANSWER_MS";

/// Longer than any step takes on a busy machine, shorter than a person waits for a stuck test.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it did not happen within 30 s")
}

pub(crate) struct Rig {
    pub(crate) twilio: Twilio,
    pub(crate) texter: Texter,
    pub(crate) app: Router,
    now: Arc<Mutex<Timestamp>>,
    variables: Vec<(&'static str, String)>,
    _directory: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A rig whose texter has additional variables.
    pub(crate) async fn with(more: &[(&'static str, &str)]) -> Self {
        Self::at("2015-09-28T16:30:00Z".parse().unwrap(), more).await
    }

    /// The same, for a sender that has no clock but the real one.
    pub(crate) async fn at_the_real_time(more: &[(&'static str, &str)]) -> Self {
        Self::at(Timestamp::now(), more).await
    }

    async fn at(now: Timestamp, more: &[(&'static str, &str)]) -> Self {
        let now = Arc::new(Mutex::new(now));
        let twilio = Twilio::start(clock(&now)).await;
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("texter.db").display().to_string();
        let mut variables: Vec<(&'static str, String)> = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        variables.extend([
            ("SMS_TWILIO_SID", SID.to_owned()),
            ("SMS_TWILIO_TOKEN", TOKEN.to_owned()),
            ("SMS_TWILIO_FROM_NUMBER", FROM.to_owned()),
            ("SMS_TWILIO_TO_NUMBER", TO.to_owned()),
            ("SMS_TWILIO_BASE_URL", format!("http://{}", twilio.address)),
            ("TEXTER_STORE", store),
        ]);
        let texter = open(&variables, &now).await;
        Self {
            twilio,
            app: app(texter.clone()),
            texter,
            now,
            variables,
            _directory: directory,
        }
    }

    /// Stops the texter gracefully and starts another on the same store.
    pub(crate) async fn restart(&mut self) {
        self.texter.clone().shutdown().await;
        self.texter = open(&self.variables, &self.now).await;
        self.app = app(self.texter.clone());
    }

    /// Starts another texter, which is refused, and returns the reason.
    pub(crate) async fn refusal(&self) -> String {
        let refused = try_open(&self.variables, &self.now).await;
        refused.err().expect("it is refused").to_string()
    }

    /// Sets a variable, to take effect at the next start.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.to_owned()));
    }

    pub(crate) fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answered {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = soon(body.collect()).await.unwrap().to_bytes();
        Answered {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Posts a JSON webhook.
    pub(crate) async fn post(&self, body: &str) -> Answered {
        self.call(json_post(body)).await
    }

    /// Posts a draw.
    pub(crate) async fn draw(&self, id: &str, number: u16) -> Answered {
        self.post(&event(id, number)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.call(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// Reads a live stream until `words` were in it.
    pub(crate) async fn read_until(&self, path: &str, words: &str) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let mut body = self.app.clone().oneshot(request).await.unwrap().into_body();
        let mut read = String::new();
        soon(async {
            while !read.contains(words) {
                let frame = body.frame().await.expect("it goes on").unwrap();
                read.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        })
        .await;
    }

    /// The journey's status.
    pub(crate) async fn status(&self, id: &str) -> String {
        let journey = self.get(&format!("/texts/{id}")).await;
        journey.json()["status"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn json_post(body: &str) -> Request<Body> {
    Request::post("/")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

pub(crate) fn event(id: &str, number: u16) -> String {
    format!(r#"{{"id":"{id}","event":"random_number:generate","data":{number}}}"#)
}

fn clock(now: &Arc<Mutex<Timestamp>>) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || *now.lock().unwrap())
}

async fn open(variables: &[(&'static str, String)], now: &Arc<Mutex<Timestamp>>) -> Texter {
    try_open(variables, now).await.unwrap()
}

async fn try_open(
    variables: &[(&'static str, String)],
    now: &Arc<Mutex<Timestamp>>,
) -> Result<Texter, OpenError> {
    let found = serve::Variables::of(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    });
    let mut config = found.read(Config::read).unwrap();
    // Silence is soon noticed; loopback answers in a millisecond.
    config.times.create = Duration::from_millis(500);
    if let Some((_, answer)) = variables.iter().find(|(known, _)| *known == ANSWER_MS) {
        config.times.create = Duration::from_secs(30);
        config.times.answer = Duration::from_millis(answer.parse().unwrap());
    }
    Texter::open(config, Some(Url::parse(BASE).unwrap()), clock(now)).await
}
