//! Twilio's status callbacks: signed, in any order, with whatever parameters.

use axum::body::Body;
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, StatusCode};
use sha1::Sha1;
use url::form_urlencoded;

use crate::{
    rig::{BASE, Rig, TOKEN},
    twilio::Answer,
};

/// Signs as Twilio does: the URL, then every key and value, keys sorted.
fn report(token: &str, path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(format!("{BASE}{path}").as_bytes());
    for (key, value) in sorted {
        mac.update(key.as_bytes());
        mac.update(value.as_bytes());
    }
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", signature)
        .body(Body::from(body))
        .unwrap()
}

/// The callback path that Twilio was given for the newest text, and its SID.
pub(crate) fn callback(rig: &Rig) -> (String, String) {
    let text = rig.twilio.texts().pop().unwrap();
    let path = text["StatusCallback"]
        .strip_prefix(BASE)
        .unwrap()
        .to_owned();
    (path, text["Sid"].clone())
}

pub(crate) async fn tell(rig: &Rig, status: &str) -> StatusCode {
    let (path, sid) = callback(rig);
    let fields = [
        ("MessageSid", sid.as_str()),
        ("MessageStatus", status),
        ("To", crate::rig::TO),
        ("SomethingNew", "7"),
    ];
    rig.call(report(TOKEN, &path, &fields)).await.status
}

#[tokio::test]
async fn a_later_status_never_goes_back() {
    let rig = Rig::new().await;
    rig.draw("a", 1).await;
    assert_eq!(rig.status("a").await, "queued");
    for (told, shown) in [
        ("sending", "sending"),
        ("queued", "sending"),
        ("delivered", "delivered"),
        ("sent", "delivered"),
        ("undelivered", "delivered"),
        ("read", "delivered"),
        ("teleported", "delivered"),
    ] {
        assert_eq!(tell(&rig, told).await, StatusCode::NO_CONTENT, "{told}");
        assert_eq!(rig.status("a").await, shown, "after {told}");
    }
}

#[tokio::test]
async fn a_failure_comes_with_its_code_and_without_a_number() {
    let rig = Rig::new().await;
    rig.draw("a", 1).await;
    let (path, sid) = callback(&rig);
    let fields = [
        ("MessageSid", sid.as_str()),
        ("MessageStatus", "undelivered"),
        ("ErrorCode", "30003"),
        ("ErrorMessage", "+15555550100 is off"),
    ];
    let answered = rig.call(report(TOKEN, &path, &fields)).await;
    assert_eq!(answered.status, StatusCode::NO_CONTENT);
    let journey = rig.get("/texts/a").await.json();
    assert_eq!(journey["status"], "undelivered");
    assert_eq!(journey["error_code"], 30003);
    assert_eq!(journey["error_message"], "…00 is off");
}

#[tokio::test]
async fn only_twilio_can_report() {
    let rig = Rig::new().await;
    rig.draw("a", 1).await;
    let (path, sid) = callback(&rig);
    let fields = [("MessageSid", sid.as_str()), ("MessageStatus", "delivered")];
    let mut unsigned = report(TOKEN, &path, &fields);
    unsigned.headers_mut().remove("x-twilio-signature");
    let mut moved = report(TOKEN, "/status/other", &fields);
    *moved.uri_mut() = path.parse().unwrap();
    for request in [unsigned, moved, report("guess", &path, &fields)] {
        let answered = rig.call(request).await;
        assert_eq!(answered.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answered.body, "");
    }
    assert_eq!(rig.status("a").await, "queued");
}

#[tokio::test]
async fn reports_that_make_no_sense_are_refused() {
    let rig = Rig::new().await;
    rig.draw("a", 1).await;
    let (path, sid) = callback(&rig);
    let unknown = [("MessageSid", sid.as_str()), ("MessageStatus", "sent")];
    let answered = rig.call(report(TOKEN, "/status/gone", &unknown)).await;
    assert_eq!(answered.status, StatusCode::NOT_FOUND);
    let empty = report(TOKEN, &path, &[("MessageSid", sid.as_str())]);
    assert_eq!(
        rig.call(empty).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let other = [("MessageSid", "SMother"), ("MessageStatus", "delivered")];
    let answered = rig.call(report(TOKEN, &path, &other)).await;
    assert_eq!(answered.status, StatusCode::NO_CONTENT);
    assert_eq!(rig.status("a").await, "queued");
    let big = [("MessageSid", "x".repeat(20_000))];
    let big: Vec<(&str, &str)> = big
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let answered = rig.call(report(TOKEN, &path, &big)).await;
    assert_eq!(answered.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_report_settles_a_text_in_doubt() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::Silence { made: true }]);
    assert_eq!(
        rig.draw("a", 1).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(tell(&rig, "delivered").await, StatusCode::NO_CONTENT);
    assert_eq!(rig.status("a").await, "delivered");
    rig.twilio.answer_list(Some(500));
    assert_eq!(rig.draw("a", 1).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 1);
}

#[tokio::test]
async fn a_report_may_overtake_the_answer() {
    let rig = Rig::new().await;
    // The text is made, its report comes, and only then the time for the answer runs out.
    rig.twilio.answer([Answer::Silence { made: true }]);
    let told = async {
        rig.twilio.posted(1).await;
        tell(&rig, "sent").await
    };
    let (answered, told) = tokio::join!(rig.draw("a", 1), told);
    assert_eq!(told, StatusCode::NO_CONTENT);
    assert_eq!(answered.status, StatusCode::CREATED);
    assert_eq!(rig.status("a").await, "sent");
}
