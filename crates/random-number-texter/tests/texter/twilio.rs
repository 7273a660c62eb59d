//! Twilio's Messages API on loopback, with a scripted answer to each request.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode};
use jiff::fmt::rfc2822;
use random_number_texter::Clock;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

/// How to answer a request to create a text.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// 201.
    Take,
    /// An error of Twilio's.
    Fail(u16, i64, &'static str),
    /// 429 with `Retry-After`.
    Busy(&'static str),
    /// 500, though the text was made.
    FailAfterTaking,
    /// No answer; the text is made or not.
    Silence { made: bool },
    /// The answer breaks off in the middle; the text is made or not.
    BreakOff { made: bool },
    /// 201 once [`Twilio::release`] is called.
    TakeWhenReleased,
    /// An answer that redirects.
    Redirect,
}

#[derive(Clone)]
pub(crate) struct Twilio {
    shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
}

struct Shared {
    clock: Clock,
    answers: Mutex<VecDeque<Answer>>,
    list: Mutex<Option<StatusCode>>,
    texts: Mutex<Vec<HashMap<String, String>>>,
    credentials: Mutex<Vec<String>>,
    posts: watch::Sender<usize>,
    released: Semaphore,
}

impl Twilio {
    /// Accepts every text until told otherwise.
    pub(crate) async fn start(clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            clock,
            answers: Mutex::default(),
            list: Mutex::default(),
            texts: Mutex::default(),
            credentials: Mutex::default(),
            posts: watch::Sender::new(0),
            released: Semaphore::new(0),
        });
        let router = Router::new()
            .route(
                "/2010-04-01/Accounts/{sid}/Messages.json",
                post(create).get(list),
            )
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shared, address }
    }

    /// The answers to the next requests, in order; then 201 again.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.answers.lock().unwrap().extend(answers);
    }

    /// The status of every list from now on; `None` for a list.
    pub(crate) fn answer_list(&self, status: Option<u16>) {
        *self.shared.list.lock().unwrap() =
            status.map(|status| StatusCode::from_u16(status).unwrap());
    }

    /// Lets one [`Answer::TakeWhenReleased`] be answered.
    pub(crate) fn release(&self) {
        self.shared.released.add_permits(1);
    }

    /// Waits until this many requests to create a text came.
    pub(crate) async fn posted(&self, count: usize) {
        let mut posts = self.shared.posts.subscribe();
        crate::rig::soon(posts.wait_for(|posts| *posts >= count))
            .await
            .unwrap();
    }

    /// How many requests to create a text came.
    pub(crate) fn posts(&self) -> usize {
        *self.shared.posts.borrow()
    }

    /// All texts, oldest first, with Twilio's own field names.
    pub(crate) fn texts(&self) -> Vec<HashMap<String, String>> {
        self.shared.texts.lock().unwrap().clone()
    }

    /// What the texts say.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.texts()
            .into_iter()
            .map(|mut text| text.remove("Body").unwrap())
            .collect()
    }

    /// A text that the texter did not make, or made before.
    pub(crate) fn add(&self, body: &str, to: &str, from: &str) {
        let fields = [("Body", body), ("To", to), ("From", from)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        make(&self.shared, fields.into());
    }

    /// Puts a trial account's words before every text.
    pub(crate) fn be_a_trial(&self) {
        for text in self.shared.texts.lock().unwrap().iter_mut() {
            let body = text.get_mut("Body").unwrap();
            body.insert_str(0, "Sent from your Twilio trial account - ");
        }
    }

    /// The `Authorization` headers that came, each with the account in the path.
    pub(crate) fn credentials(&self) -> Vec<String> {
        self.shared.credentials.lock().unwrap().clone()
    }
}

fn make(shared: &Shared, mut fields: HashMap<String, String>) -> Value {
    let mut texts = shared.texts.lock().unwrap();
    let created = rfc2822::to_string(&(shared.clock)().to_zoned_datetime(jiff::tz::TimeZone::UTC));
    fields.insert("Sid".to_owned(), format!("SM{:032x}", texts.len() + 1));
    fields.insert("Created".to_owned(), created.unwrap());
    let text = shown(&fields);
    texts.push(fields);
    text
}

fn shown(fields: &HashMap<String, String>) -> Value {
    json!({
        "sid": fields["Sid"], "body": fields["Body"], "to": fields["To"], "from": fields["From"],
        "status": "queued", "date_created": fields["Created"], "date_sent": null,
        "error_code": null, "error_message": null,
    })
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<HashMap<String, String>>,
) -> Response {
    let authorization = headers["authorization"].to_str().unwrap().to_owned();
    let credentials = format!("{sid} {authorization}");
    shared.credentials.lock().unwrap().push(credentials);
    let answer = shared.answers.lock().unwrap().pop_front();
    let count = || shared.posts.send_modify(|posts| *posts += 1);
    match answer.unwrap_or(Answer::Take) {
        Answer::Take => {
            let text = make(&shared, fields);
            count();
            (StatusCode::CREATED, Json(text)).into_response()
        }
        Answer::Fail(status, code, message) => {
            count();
            fail(status, code, message)
        }
        Answer::Busy(seconds) => {
            count();
            let mut response = fail(429, 20429, "Too Many Requests");
            response
                .headers_mut()
                .insert("retry-after", seconds.parse().unwrap());
            response
        }
        Answer::FailAfterTaking => {
            make(&shared, fields);
            count();
            fail(500, 20500, "Internal Server Error")
        }
        Answer::Silence { made } => {
            if made {
                make(&shared, fields);
            }
            count();
            std::future::pending().await
        }
        Answer::BreakOff { made } => {
            if made {
                make(&shared, fields);
            }
            count();
            let halves = [
                Ok(Bytes::from_static(b"{\"sid\":")),
                Err(std::io::Error::other("broken off")),
            ];
            let body = Body::from_stream(futures_util::stream::iter(halves));
            (StatusCode::CREATED, body).into_response()
        }
        Answer::TakeWhenReleased => {
            count();
            shared.released.acquire().await.unwrap().forget();
            (StatusCode::CREATED, Json(make(&shared, fields))).into_response()
        }
        Answer::Redirect => {
            count();
            (StatusCode::FOUND, [("location", "/elsewhere")]).into_response()
        }
    }
}

fn fail(status: u16, code: i64, message: &str) -> Response {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    (
        StatusCode::from_u16(status).unwrap(),
        Json(json!({"code": code, "message": message, "more_info": more_info, "status": status})),
    )
        .into_response()
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(status) = *shared.list.lock().unwrap() {
        return status.into_response();
    }
    let texts = shared.texts.lock().unwrap();
    let messages: Vec<Value> = texts
        .iter()
        .rev()
        .filter(|text| text["To"] == query["To"] && text["From"] == query["From"])
        .map(shown)
        .collect();
    Json(json!({"messages": messages, "next_page_uri": null, "page": 0})).into_response()
}
