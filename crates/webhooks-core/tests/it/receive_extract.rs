//! The extractors through a router: what a handler gets, and what a stranger gets.
#![cfg(feature = "receive")]

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRef, State};
use axum::http::{Request, Response, StatusCode};
use axum::routing::{any, post};
use futures_util::stream;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tower::ServiceExt;
use webhooks_core::receive::{
    Bare, Rejection, StandardWebhooks, Verified, VerifiedBody, Verifier, VerifyError,
};
use webhooks_core::signature::{LegacySignature, sign};
use webhooks_core::{Secret, SharedSecret};

const NOW_S: i64 = 1_700_000_000;
const EVENT: &str = r#"{"id":"evt_1","event":"random_number:generate","data":863}"#;
const ACCEPTED: StatusCode = StatusCode::NO_CONTENT;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_S.unsigned_abs())
}

fn secret() -> Secret {
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap()
}

fn verifier() -> Verifier {
    Verifier::standard([secret()]).clock(now)
}

fn shared() -> SharedSecret {
    "a shared secret".parse().unwrap()
}

fn legacy(provider: &str) -> LegacySignature {
    LegacySignature::parse(provider, "a shared secret").unwrap()
}

/// A router whose handler takes a number.
fn numbers(verifier: Verifier) -> Router {
    async fn number(_: Verified<u32>) -> StatusCode {
        ACCEPTED
    }
    Router::new().route("/", post(number)).with_state(verifier)
}

fn signed(id: &str, body: impl Into<Bytes>) -> Request<Body> {
    let body = body.into();
    Request::post("/")
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", NOW_S)
        .header("webhook-signature", sign(&[secret()], id, NOW_S, &body))
        .body(Body::from(body))
        .unwrap()
}

async fn send(router: Router, request: Request<Body>) -> (StatusCode, Bytes) {
    let response: Response<Body> = router.oneshot(request).await.unwrap();
    let status = response.status();
    (status, to_bytes(response.into_body(), 4096).await.unwrap())
}

async fn status(router: Router, request: Request<Body>) -> StatusCode {
    let (status, body) = send(router, request).await;
    assert_eq!(
        body, "",
        "the answer to a webhook says nothing but its status"
    );
    status
}

#[tokio::test]
async fn a_handler_gets_the_event_and_the_body_byte_for_byte() {
    type Seen = Arc<Mutex<Option<Verified<u32>>>>;
    #[derive(Clone)]
    struct App {
        verifier: Verifier,
        seen: Seen,
    }
    impl FromRef<App> for Verifier {
        fn from_ref(app: &App) -> Self {
            app.verifier.clone()
        }
    }
    async fn hook(State(app): State<App>, event: Verified<u32>) -> StatusCode {
        *app.seen.lock().unwrap() = Some(event);
        ACCEPTED
    }
    let seen = Seen::default();
    let router = Router::new().route("/", post(hook)).with_state(App {
        verifier: verifier(),
        seen: seen.clone(),
    });
    let spaced = "{ \"data\":863,\n\t\"event\": \"random_number:generate\", \"extra\": {}, \"id\":\"evt_1\"} ";

    assert_eq!(status(router, signed("evt_1", spaced)).await, ACCEPTED);

    let event = seen.lock().unwrap().take().unwrap();
    assert_eq!(event.id, "evt_1");
    assert_eq!(event.event_type, "random_number:generate");
    assert_eq!(event.timestamp, now());
    assert_eq!(event.data, 863);
    assert_eq!(event.body, spaced);
    assert_eq!(event.secret_index, 0);
}

#[tokio::test]
async fn each_kind_of_refusal_has_its_status_and_no_text() {
    let altered = |change: fn(&mut Request<Body>)| {
        let mut request = signed("evt_1", EVENT);
        change(&mut request);
        request
    };
    let header = |name: &'static str, value: &'static str| {
        let mut request = signed("evt_1", EVENT);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let cases = [
        ("good", signed("evt_1", EVENT), ACCEPTED),
        (
            "json with charset",
            header("content-type", "application/json; charset=utf-8"),
            ACCEPTED,
        ),
        (
            "json suffix",
            header("content-type", "Application/CloudEvents+JSON"),
            ACCEPTED,
        ),
        (
            "unsigned",
            altered(|r| r.headers_mut().clear()),
            StatusCode::UNAUTHORIZED,
        ),
        (
            "no signature",
            altered(|r| drop(r.headers_mut().remove("webhook-signature"))),
            StatusCode::UNAUTHORIZED,
        ),
        (
            "other id",
            header("webhook-id", "evt_2"),
            StatusCode::UNAUTHORIZED,
        ),
        (
            "other body",
            altered(|r| *r.body_mut() = Body::from("{}")),
            StatusCode::UNAUTHORIZED,
        ),
        (
            "no body",
            altered(|r| *r.body_mut() = Body::empty()),
            StatusCode::UNAUTHORIZED,
        ),
        (
            "bad timestamp",
            header("webhook-timestamp", "+1700000000"),
            StatusCode::BAD_REQUEST,
        ),
        (
            "bad signature",
            header("webhook-signature", "v1,"),
            StatusCode::BAD_REQUEST,
        ),
        (
            "two ids",
            altered(|r| {
                r.headers_mut()
                    .append("webhook-id", "evt_1".parse().unwrap());
            }),
            StatusCode::BAD_REQUEST,
        ),
        (
            "not json",
            header("content-type", "text/plain"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "no content type",
            altered(|r| drop(r.headers_mut().remove("content-type"))),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "broken json",
            signed("evt_1", "{"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "not utf-8",
            signed("evt_1", &b"\xff\xfe"[..]),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "other data",
            signed("evt_1", EVENT.replace("863", "\"x\"")),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "other id inside",
            signed("evt_2", EVENT),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "nested",
            signed("evt_1", "[".repeat(100_000)),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "id twice",
            signed("evt_1", EVENT.replace("863", "863,\"id\":\"evt_1\"")),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ];
    for (name, request, expected) in cases {
        assert_eq!(
            status(numbers(verifier()), request).await,
            expected,
            "{name}"
        );
    }
    let get = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(
        status(numbers(verifier()), get).await,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let late = verifier().clock(|| now() + Duration::from_secs(301));
    assert_eq!(
        status(numbers(late), signed("evt_1", EVENT)).await,
        StatusCode::UNAUTHORIZED
    );
    let unarmed = Verifier::standard([]);
    assert_eq!(
        status(numbers(unarmed), signed("evt_1", EVENT)).await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

/// A body in chunks, without a length in front, that counts how many chunks were taken.
fn chunks(chunk: &'static str, count: usize) -> (Body, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let body = Body::from_stream(stream::iter((0..count).map(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok::<_, io::Error>(chunk)
    })));
    (body, taken)
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_too_large() {
    let padded = |bytes: usize| format!("{EVENT}{}", " ".repeat(bytes - EVENT.len()));
    for limit in [EVENT.len(), 100, 256 * 1024] {
        let router = || numbers(verifier().body_limit(limit));
        assert_eq!(
            status(router(), signed("evt_1", padded(limit))).await,
            ACCEPTED
        );
        let larger = signed("evt_1", padded(limit + 1));
        assert_eq!(
            status(router(), larger).await,
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
    // The default limit, and no limit of axum's own below it.
    let largest = signed("evt_1", padded(256 * 1024));
    assert_eq!(status(numbers(verifier()), largest).await, ACCEPTED);
    let larger = signed("evt_1", padded(256 * 1024 + 1));
    assert_eq!(
        status(numbers(verifier()), larger).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn reading_stops_at_the_chunk_that_crosses_the_limit() {
    for limit in [0, 1, 9, 10, 11, 25] {
        let (body, taken) = chunks("0123456789", 1000);
        let request = Request::post("/").body(body).unwrap();
        let router = numbers(verifier().body_limit(limit));
        assert_eq!(
            status(router, request).await,
            StatusCode::PAYLOAD_TOO_LARGE,
            "{limit}"
        );
        assert_eq!(taken.load(Ordering::SeqCst), limit / 10 + 1, "{limit}");
    }
}

#[tokio::test]
async fn a_body_announced_as_too_large_is_not_read() {
    let (body, taken) = chunks("0123456789", 1);
    let request = Request::post("/")
        .header("content-length", "1000000")
        .body(body)
        .unwrap();
    assert_eq!(
        status(numbers(verifier()), request).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(taken.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_in_pieces_is_verified_as_a_whole() {
    let mut request = signed("evt_1", EVENT);
    let (first, second) = EVENT.split_at(20);
    *request.body_mut() =
        Body::from_stream(stream::iter([first, "", second].map(Ok::<_, io::Error>)));
    assert_eq!(status(numbers(verifier()), request).await, ACCEPTED);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_bad_request() {
    let mut request = signed("evt_1", EVENT);
    *request.body_mut() = Body::from_stream(stream::iter([
        Ok(EVENT),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]));
    assert_eq!(
        status(numbers(verifier()), request).await,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_handler_may_answer_a_rejection_itself() {
    async fn hook(event: Result<Verified<u32>, Rejection>) -> (StatusCode, String) {
        match event {
            Ok(event) => (StatusCode::OK, event.id),
            Err(Rejection::Refused(VerifyError::NoSignatureMatched {
                signatures,
                secrets,
            })) => (StatusCode::FORBIDDEN, format!("{signatures} x {secrets}")),
            Err(other) => (other.status(), "other".to_owned()),
        }
    }
    let router = Router::new().route("/", post(hook)).with_state(verifier());
    let mut forged = signed("evt_1", EVENT);
    forged
        .headers_mut()
        .insert("webhook-id", "evt_2".parse().unwrap());
    let (status, text) = send(router, forged).await;
    assert_eq!((status, &*text), (StatusCode::FORBIDDEN, &b"1 x 1"[..]));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_why_and_holds_neither_secret_nor_body() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _installed = tracing::subscriber::set_default(subscriber);

    let late = verifier().clock(|| now() + Duration::from_secs(412));
    status(numbers(late), signed("evt_1", EVENT)).await;
    status(
        numbers(verifier()),
        Request::post("/").body(Body::empty()).unwrap(),
    )
    .await;
    let phone = EVENT.replace("863", "\"+15005550006\"");
    status(numbers(verifier()), signed("evt_1", phone)).await;

    let text = log.text();
    assert_eq!(text.matches("refused a webhook").count(), 3, "{text}");
    assert!(
        text.contains("the timestamp is 412 s old; the limit is 300 s"),
        "{text}"
    );
    assert!(
        text.contains("the header `webhook-signature` is missing"),
        "{text}"
    );
    assert!(
        text.contains("the body is not what the handler takes, at line 1"),
        "{text}"
    );
    assert!(
        !text.contains("5005550006") && !text.contains("MfKQ9r8"),
        "{text}"
    );
}

#[tokio::test]
async fn the_type_of_a_handler_says_what_a_body_looks_like() {
    type Data = serde_json::Value;
    async fn standard(event: Verified<Data, StandardWebhooks>) -> String {
        format!(
            "{} {:?} {}",
            event.event_type, event.occurred_at, event.data
        )
    }
    async fn bare(event: Verified<Data, Bare>) -> String {
        format!(
            "{} {:?} {}",
            event.event_type, event.occurred_at, event.data
        )
    }
    async fn ours(event: Verified<Data>) -> String {
        format!(
            "{} {:?} {}",
            event.event_type, event.occurred_at, event.data
        )
    }
    let router = Router::new()
        .route("/standard", post(standard))
        .route("/bare", post(bare))
        .route("/ours", post(ours))
        .with_state(verifier());
    let mail = r#"{"type":"email.sent","timestamp":"2026-01-31T12:00:00Z","data":{"to":1}}"#;
    let untyped = r#"[1,{"type":"x"}]"#;
    for (path, body, expected) in [
        (
            "/standard",
            mail,
            r#"email.sent Some("2026-01-31T12:00:00Z") {"to":1}"#.to_owned(),
        ),
        (
            "/standard",
            r#"{"type":"a","data":null}"#,
            "a None null".to_owned(),
        ),
        ("/ours", EVENT, "random_number:generate None 863".to_owned()),
        (
            "/bare",
            r#"{"type":"t","a":1}"#,
            r#"t None {"a":1,"type":"t"}"#.to_owned(),
        ),
        ("/bare", untyped, format!(" None {untyped}")),
        ("/bare", r#"{"type":5}"#, r#" None {"type":5}"#.to_owned()),
        ("/bare", "863", " None 863".to_owned()),
    ] {
        let mut request = signed("evt_1", body);
        *request.uri_mut() = path.parse().unwrap();
        let (status, text) = send(router.clone(), request).await;
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert_eq!((status, text), (StatusCode::OK, expected), "{path} {body}");
    }
    for (path, body) in [
        ("/ours", mail),
        ("/standard", EVENT),
        ("/standard", "863"),
        ("/bare", "{"),
    ] {
        let mut request = signed("evt_1", body);
        *request.uri_mut() = path.parse().unwrap();
        let found = status(router.clone(), request).await;
        assert_eq!(found, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}");
    }
}

#[tokio::test]
async fn the_log_names_the_missing_field_and_the_event() {
    #[derive(serde::Deserialize)]
    struct Order {
        #[allow(dead_code)]
        total: u32,
    }
    async fn standard(_: Verified<Order, StandardWebhooks>) -> StatusCode {
        ACCEPTED
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let _installed = tracing::subscriber::set_default(subscriber);
    let router = Router::new()
        .route("/", post(standard))
        .with_state(verifier());
    for (id, body) in [
        ("evt_1", r#"{"id":"evt_1","event":"e","data":1}"#),
        (
            "evt_2",
            r#"{"type":"order.paid","data":{"phone":"+15005550006"}}"#,
        ),
        ("evt_3", r#"{"type":"order.paid","data":{"total":1}}"#),
    ] {
        send(router.clone(), signed(id, body)).await;
    }
    let text = log.text();
    for part in [
        "event.id=\"evt_1\" reason=the body has no field `type`; this handler takes {type, timestamp, data}",
        "event.id=\"evt_2\" event.type=\"order.paid\" reason=the body is not what the handler takes, at line 1 column",
        ": missing field `total`",
        "received a webhook event.id=\"evt_3\" event.type=\"order.paid\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("5005550006"), "{text}");
}

#[tokio::test]
async fn other_providers_bodies_come_whole_and_parse_on_demand() {
    async fn hook(request: VerifiedBody) -> Result<String, Rejection> {
        let body: serde_json::Value = request.json()?;
        let event_type = request
            .verification
            .unsigned_event_type
            .as_deref()
            .unwrap_or("none");
        Ok(format!("{event_type} {} {}", body["n"], request.body_key()))
    }
    let router = || {
        Router::new()
            .route("/", post(hook))
            .with_state(Verifier::github([shared()]))
    };
    let request = |body: &'static str, content_type: &str| {
        let mut request = Request::post("/")
            .header("content-type", content_type)
            .header("x-github-event", "push")
            .body(Body::from(body))
            .unwrap();
        let signature = legacy("github");
        request
            .headers_mut()
            .extend(signature.headers("", 0, body.as_bytes()));
        request
    };
    let (status, text) = send(router(), request(r#"{"n":1}"#, "application/json")).await;
    assert_eq!(status, StatusCode::OK);
    // sha256sum of the body.
    assert_eq!(
        text,
        "push 1 sha256:2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd"
    );
    let (status, _) = send(router(), request(r#"{"n":1}"#, "text/plain")).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (status, _) = send(router(), request("{", "application/json")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_event_extractor_on_another_providers_verifier_is_the_operators_mistake() {
    let mut request = Request::post("/")
        .header("content-type", "application/json")
        .body(Body::from(EVENT))
        .unwrap();
    let signature = legacy("github");
    request
        .headers_mut()
        .extend(signature.headers("", 0, EVENT.as_bytes()));
    let router = numbers(Verifier::github([shared()]));
    assert_eq!(
        status(router, request).await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[tokio::test]
async fn slack_gets_its_challenge_back() {
    async fn hook(request: VerifiedBody) -> String {
        request
            .challenge
            .map_or_else(|| "an event".to_owned(), |answer| answer.body)
    }
    let verifier = Verifier::slack([shared()]).clock(now);
    let router = Router::new().route("/", post(hook)).with_state(verifier);
    for (body, answer) in [
        (
            r#"{"type":"url_verification","challenge":"3eZbrw1a"}"#,
            "3eZbrw1a",
        ),
        (
            r#"{"type":"event_callback","challenge":"3eZbrw1a"}"#,
            "an event",
        ),
        ("not json", "an event"),
    ] {
        let mut request = Request::post("/").body(Body::from(body)).unwrap();
        let signature = legacy("slack");
        request
            .headers_mut()
            .extend(signature.headers("", NOW_S, body.as_bytes()));
        let (status, text) = send(router.clone(), request).await;
        assert_eq!((status, &*text), (StatusCode::OK, answer.as_bytes()));
    }
}

/// The published answer for a form; the path below a nested router counts whole, and the scheme,
/// host and port are the public ones.
#[tokio::test]
async fn twilio_requests_are_verified_by_their_public_url() {
    async fn hook(request: VerifiedBody) -> Result<String, Rejection> {
        let fields = request.form()?.into_iter();
        Ok(fields
            .map(|(key, value)| format!("{key}={value};"))
            .collect())
    }
    let token: SharedSecret = "12345".parse().unwrap();
    for public_url in [
        "https://mycompany.com",
        "https://mycompany.com/",
        "https://mycompany.com:443",
    ] {
        let verifier = Verifier::twilio([token.clone()], public_url);
        let router = Router::new().nest(
            "/myapp.php",
            Router::new().route("/", any(hook)).with_state(verifier),
        );
        let request = Request::post("/myapp.php?foo=1&bar=2")
            .header("host", "internal:8080")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
            .body(Body::from("CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"))
            .unwrap();
        let (status, text) = send(router, request).await;
        assert_eq!(status, StatusCode::OK, "{public_url}");
        assert_eq!(
            text,
            "CallSid=CA1234567890ABCDE;Caller=+14158675309;Digits=1234;From=+14158675309;To=+18005551212;"
        );
    }
}
