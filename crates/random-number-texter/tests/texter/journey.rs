//! The journey of a text, as the button's server reads it.

use http::StatusCode;
use serde_json::json;

use crate::{
    rig::{Rig, soon},
    status::tell,
    twilio::Answer,
};

/// The JSON of each server-sent event in `body`.
fn told(body: &str) -> Vec<serde_json::Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn statuses(body: &str) -> Vec<String> {
    told(body)
        .iter()
        .map(|journey| journey["status"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn it_has_six_keys_and_no_phone_number() {
    let rig = Rig::new().await;
    rig.draw("0199-a b/c", 1).await;
    let journey = rig.get("/texts/0199-a%20b%2Fc").await;
    assert_eq!(journey.status, StatusCode::OK);
    assert_eq!(journey.header("content-type"), "application/json");
    assert_eq!(
        journey.json(),
        json!({
            "event_id": "0199-a b/c",
            "status": "queued",
            "sid": rig.twilio.texts()[0]["Sid"],
            "error_code": null,
            "error_message": null,
            "updated_at": "2015-09-28T16:30:00Z",
        })
    );
}

#[tokio::test]
async fn an_event_that_never_came_is_a_clear_404() {
    let rig = Rig::new().await;
    for path in ["/texts/none", "/texts/none/events"] {
        let answered = rig.get(path).await;
        assert_eq!(answered.status, StatusCode::NOT_FOUND);
        assert_eq!(
            answered.json(),
            json!({"error": "no text is known for this event"})
        );
    }
}

#[tokio::test]
async fn each_change_is_told_live_until_the_end() {
    let rig = Rig::new().await;
    rig.draw("b", 2).await;
    rig.draw("a", 1).await;
    let events = rig.get("/texts/a/events");
    let report = async {
        for status in ["sending", "sent", "sending", "delivered"] {
            tell(&rig, status).await;
        }
    };
    let (events, ()) = tokio::join!(biased; events, report);
    assert_eq!(events.header("content-type"), "text/event-stream");
    assert_eq!(
        statuses(&events.body),
        ["queued", "sending", "sent", "delivered"]
    );
    assert!(
        told(&events.body)
            .iter()
            .all(|told| told["event_id"] == "a")
    );
    // After the final status there is only one event to send.
    assert_eq!(
        statuses(&rig.get("/texts/a/events").await.body),
        ["delivered"]
    );
}

#[tokio::test]
async fn waiting_is_told_with_its_reason_and_the_way_out() {
    let rig = Rig::new().await;
    rig.twilio
        .answer([Answer::Fail(429, 20429, "Too Many Requests")]);
    rig.draw("a", 1).await;
    let journey = rig.get("/texts/a").await.json();
    assert_eq!(journey["status"], "waiting");
    assert_eq!(journey["error_code"], 20429);
    let events = rig.get("/texts/a/events");
    let rest = async {
        rig.draw("a", 1).await;
        tell(&rig, "failed").await;
    };
    let (events, ()) = tokio::join!(biased; events, rest);
    assert_eq!(
        statuses(&events.body),
        ["waiting", "waiting", "queued", "failed"]
    );
    assert_eq!(told(&events.body)[1]["error_message"], json!(null));
}

#[tokio::test]
async fn streams_end_when_the_texter_stops_and_new_texts_are_refused() {
    let rig = Rig::new().await;
    rig.draw("a", 1).await;
    let stop = async { rig.texter.stop() };
    let (events, ()) = soon(async { tokio::join!(biased; rig.get("/texts/a/events"), stop) }).await;
    assert_eq!(statuses(&events.body), ["queued"]);
    let answered = rig.draw("b", 1).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(rig.twilio.posts(), 1);
}
