//! The answers to webhooks, check by check.

use axum::body::Body;
use http::{Request, StatusCode};

use crate::{
    rig::{FROM, Rig, SID, TO, TOKEN, event, json_post},
    twilio::Answer,
};

#[tokio::test]
async fn the_talks_own_call_is_texted_and_answered_with_its_body() {
    let rig = Rig::new().await;
    let body = r#"{"id":"first","event":"random_number:generate","data":2048}"#;
    let answered = rig.post(body).await;
    assert_eq!(answered.status, StatusCode::CREATED);
    assert_eq!(answered.body, body);
    assert_eq!(answered.header("content-type"), "application/json");
    let texts = rig.twilio.texts();
    assert_eq!(texts.len(), 1);
    assert_eq!(texts[0]["Body"], "Here's a random number: 2048");
    assert_eq!(
        (texts[0]["To"].as_str(), texts[0]["From"].as_str()),
        (TO, FROM)
    );
    use base64::{Engine, prelude::BASE64_STANDARD};
    let basic = BASE64_STANDARD.encode(format!("{SID}:{TOKEN}"));
    assert_eq!(rig.twilio.credentials(), [format!("{SID} Basic {basic}")]);
}

#[tokio::test]
async fn json_with_a_charset_is_json() {
    let rig = Rig::new().await;
    let mut request = json_post(&event("a", 1));
    request.headers_mut().insert(
        "content-type",
        "Application/JSON; charset=utf-8".parse().unwrap(),
    );
    assert_eq!(rig.call(request).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn another_event_or_content_type_is_accepted_and_nothing_is_sent() {
    let rig = Rig::new().await;
    let answered = rig.post(r#"{"id":"a","event":"other","data":1}"#).await;
    assert_eq!(answered.status, StatusCode::ACCEPTED);
    assert_eq!(answered.json()["texted"], false);
    for content_type in [Some("text/plain"), Some("application/jsonp"), None] {
        let mut request = json_post(&event("a", 1));
        request.headers_mut().remove("content-type");
        if let Some(value) = content_type {
            request
                .headers_mut()
                .insert("content-type", value.parse().unwrap());
        }
        assert_eq!(rig.call(request).await.status, StatusCode::ACCEPTED);
    }
    assert_eq!(rig.twilio.posts(), 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let rig = Rig::new().await;
    for (body, status, named) in [
        ("{", StatusCode::BAD_REQUEST, "not JSON"),
        ("", StatusCode::BAD_REQUEST, "not JSON"),
        (
            r#"{"id":"a","event":"random_number:generate"}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
            "data",
        ),
        (
            r#"{"id":7,"event":"random_number:generate","data":1}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
            "id",
        ),
        (r#"{"data":1}"#, StatusCode::UNPROCESSABLE_ENTITY, "event"),
    ] {
        let answered = rig.post(body).await;
        assert_eq!(answered.status, status, "{body}");
        let reason = answered.json()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(named), "{reason}");
    }
    assert_eq!(rig.twilio.posts(), 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_while_it_streams() {
    let rig = Rig::new().await;
    // No content-length: only counting shows the size.
    let endless = futures_util::stream::repeat_with(|| {
        Ok::<_, std::io::Error>(axum::body::Bytes::from_static(&[b' '; 1024]))
    });
    let request = Request::post("/")
        .header("content-type", "application/json")
        .body(Body::from_stream(endless))
        .unwrap();
    let answered = rig.call(request).await;
    assert_eq!(answered.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answered.body.contains("65536"), "{answered:?}");
    let padded = |size: usize| event("a", 1) + &" ".repeat(size - event("a", 1).len());
    assert_eq!(
        rig.post(&padded(64 * 1024 + 1)).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        rig.post(&padded(64 * 1024)).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn other_methods_are_refused() {
    let rig = Rig::new().await;
    let request = Request::put("/").body(Body::from(event("a", 1))).unwrap();
    let answered = rig.call(request).await;
    assert_eq!(answered.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(rig.twilio.posts(), 0);
}

#[tokio::test]
async fn a_refusal_of_twilios_is_told_and_not_tried_again() {
    for (status, code, message, told) in [
        (
            400,
            21211,
            "The 'To' number +15555550100 is not valid.",
            "SMS_TWILIO_TO_NUMBER",
        ),
        (
            400,
            21610,
            "Attempt to send to unsubscribed recipient",
            "START",
        ),
        (401, 20003, "Authenticate", "SMS_TWILIO_TOKEN"),
        (
            404,
            20404,
            "The requested resource was not found",
            "SMS_TWILIO_SID",
        ),
    ] {
        let rig = Rig::new().await;
        rig.twilio.answer([Answer::Fail(status, code, message)]);
        let answered = rig.draw("a", 1).await;
        assert_eq!(answered.status, StatusCode::ACCEPTED);
        let reason = answered.json()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(&code.to_string()), "{reason}");
        assert!(reason.contains(told), "{reason}");
        assert!(!reason.contains("555555"), "{reason}");
        let again = rig.draw("a", 1).await;
        assert_eq!(again.status, StatusCode::ACCEPTED);
        assert_eq!(again.body, answered.body);
        assert_eq!(rig.twilio.posts(), 1);
        let journey = rig.get("/texts/a").await.json();
        assert_eq!(journey["status"], "refused");
        assert_eq!(journey["error_code"], code);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::Redirect]);
    let answered = rig.draw("a", 1).await;
    assert_eq!(answered.status, StatusCode::ACCEPTED);
    assert!(answered.body.contains("302"), "{answered:?}");
}

#[tokio::test]
async fn twilios_own_pause_is_passed_on() {
    let rig = Rig::new().await;
    rig.twilio
        .answer([Answer::Busy("17"), Answer::Busy("999999")]);
    let answered = rig.draw("a", 1).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.header("retry-after"), "17");
    assert_eq!(rig.draw("a", 1).await.header("retry-after"), "3600");
}

#[tokio::test]
async fn a_twilio_that_is_not_there_is_a_passing_failure() {
    let mut rig = Rig::new().await;
    // A port on which nothing listens: bound once and released.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let there = format!("http://{}", rig.twilio.address);
    rig.set("SMS_TWILIO_BASE_URL", &format!("http://{address}"));
    rig.restart().await;
    let answered = rig.draw("a", 1).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.header("retry-after"), "5");
    assert!(answered.body.contains("can't be reached"), "{answered:?}");
    assert_eq!(rig.status("a").await, "waiting");
    rig.set("SMS_TWILIO_BASE_URL", &there);
    rig.restart().await;
    assert_eq!(rig.draw("a", 1).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.bodies(), ["Here's a random number: 1"]);
}
