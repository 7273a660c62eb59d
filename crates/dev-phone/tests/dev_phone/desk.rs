//! A phone on a desk, for the tests: a fixed clock, counted ids, no waiting, and a program beside
//! it that receives what the phone posts.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dev_phone::{Account, Clock, Config, Ids, Message, Pace, Phone};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::mpsc};
use tower::ServiceExt as _;

/// Longer than anything here takes, even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const SID: &str = Account::DEVELOPMENT_SID;
pub(crate) const FROM: &str = Account::DEVELOPMENT_FROM;
pub(crate) const TO: &str = Account::DEVELOPMENT_TO;

/// The fields of a text that is accepted.
pub(crate) const GOOD: [(&str, &str); 3] = [("To", TO), ("From", FROM), ("Body", "Hello")];

pub(crate) struct Desk {
    pub(crate) phone: Phone,
    pub(crate) router: Router,
    clock: Arc<AtomicI64>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A desk whose phone differs from the usual one.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let start: Timestamp = "2023-08-24T05:01:45Z".parse().unwrap();
        let clock = Arc::new(AtomicI64::new(start.as_second()));
        let hands = Arc::clone(&clock);
        let ids = AtomicU64::new(1);
        let mut config = Config {
            pace: Pace::INSTANT,
            clock: Clock::from_fn(move || {
                Timestamp::from_second(hands.load(Ordering::Relaxed)).unwrap()
            }),
            ids: Ids::from_fn(move || u128::from(ids.fetch_add(1, Ordering::Relaxed))),
            ..Config::default()
        };
        change(&mut config);
        let phone = Phone::new(config).unwrap();
        Self {
            router: dev_phone::app(phone.clone()),
            phone,
            clock,
        }
    }

    pub(crate) fn set_clock(&self, time: &str) {
        let time: Timestamp = time.parse().unwrap();
        self.clock.store(time.as_second(), Ordering::Relaxed);
    }

    pub(crate) async fn send(&self, request: http::Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A call of the API with the account's credentials.
    pub(crate) async fn call(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = request(method, path)
            .header("authorization", basic(SID, Account::DEVELOPMENT_TOKEN))
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(encoded(form).into()).unwrap()).await
    }

    pub(crate) async fn create(&self, form: &[(&str, &str)]) -> Answer {
        self.call("POST", &messages(".json"), form).await
    }

    /// Sends a text to the phone, waits until its status is final, and returns its id.
    pub(crate) async fn deliver(&self, body: &str) -> String {
        let sid = self
            .take(&[("To", TO), ("From", FROM), ("Body", body)])
            .await;
        self.until(|messages| message(messages, &sid).status.is_final())
            .await;
        sid
    }

    /// Sends a text that must be accepted, and returns its id.
    pub(crate) async fn take(&self, form: &[(&str, &str)]) -> String {
        let answer = self.create(form).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn until(&self, condition: impl Fn(&[Message]) -> bool) {
        assert!(
            self.phone.wait_until(LIMIT, condition).await,
            "waited in vain; the texts are {:#?}",
            self.phone.messages()
        );
    }

    /// A request to the page, as a browser or a program makes it.
    pub(crate) async fn page(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.to_owned().into()).unwrap())
            .await
    }
}

pub(crate) fn message<'a>(messages: &'a [Message], sid: &str) -> &'a Message {
    messages
        .iter()
        .find(|message| message.sid.as_str() == sid)
        .unwrap_or_else(|| panic!("no text {sid} in {messages:#?}"))
}

fn request(method: &str, path: &str) -> http::request::Builder {
    http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:9020")
}

/// A path of the account's texts, such as `messages(".json")`.
pub(crate) fn messages(rest: &str) -> String {
    format!("/2010-04-01/Accounts/{SID}/Messages{rest}")
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

pub(crate) fn encoded(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
}

/// A form that the phone posted.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) signature: String,
    pub(crate) form: Vec<(String, String)>,
}

impl Posted {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.form
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    pub(crate) fn fields(&self) -> BTreeMap<&str, &str> {
        self.form
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }
}

/// A program on loopback that gives every post the same answer and remembers what came.
pub(crate) struct Program {
    pub(crate) url: String,
    posted: mpsc::UnboundedReceiver<Posted>,
}

impl Program {
    pub(crate) async fn start(status: u16, content_type: &'static str, body: &str) -> Self {
        let (sender, posted) = mpsc::unbounded_channel();
        let answer = body.to_owned();
        let router = Router::new().fallback(move |headers: http::HeaderMap, body: String| {
            let signature = headers
                .get("x-twilio-signature")
                .map_or("", |value| value.to_str().unwrap())
                .to_owned();
            let form = form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect();
            sender.send(Posted { signature, form }).unwrap();
            let answer = answer.clone();
            async move {
                http::Response::builder()
                    .status(status)
                    .header("content-type", content_type)
                    .body(answer)
                    .unwrap()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/from-phone", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, posted }
    }

    pub(crate) async fn next(&mut self) -> Posted {
        tokio::time::timeout(LIMIT, self.posted.recv())
            .await
            .expect("the phone posts in time")
            .expect("the program runs")
    }
}

/// A phone served on loopback as the binary serves it; it stops when this is dropped.
pub(crate) struct Served {
    pub(crate) address: std::net::SocketAddr,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Served {
    pub(crate) async fn start(desk: &Desk) -> Self {
        let listener = serve::bind(serve::Host::default(), 0, "PORT")
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        tokio::spawn(serve::serve(
            listener,
            desk.router.clone(),
            serve::Limits::default(),
            async {
                let _ = stopped.await;
            },
        ));
        Self {
            address,
            _stop: stop,
        }
    }
}
