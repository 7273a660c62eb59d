//! The daily limit holds, however many webhooks come at once and whatever fails.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;

use crate::{rig::Rig, twilio::Answer};

#[tokio::test]
async fn concurrent_events_cannot_exceed_the_limit() {
    let rig = Rig::with(&[("SMS_DAILY_LIMIT", "7")]).await;
    let ids: Vec<String> = (0..60).map(|n| format!("event-{n}")).collect();
    let answers = join_all(ids.iter().map(|id| rig.draw(id, 1))).await;
    assert_eq!(rig.twilio.posts(), 7);
    let texted = answers
        .iter()
        .filter(|answered| answered.status == StatusCode::CREATED)
        .count();
    assert_eq!(texted, 7);
    for answered in &answers {
        if answered.status != StatusCode::CREATED {
            assert_eq!(answered.status, StatusCode::TOO_MANY_REQUESTS);
            // 16:30 to midnight.
            assert_eq!(answered.header("retry-after"), "27000");
            assert!(answered.body.contains("7 texts"), "{answered:?}");
        }
    }
}

#[tokio::test]
async fn the_limit_holds_across_a_restart_and_ends_at_midnight() {
    let mut rig = Rig::with(&[("SMS_DAILY_LIMIT", "1")]).await;
    assert_eq!(rig.draw("a", 1).await.status, StatusCode::CREATED);
    rig.restart().await;
    assert_eq!(rig.draw("b", 2).await.status, StatusCode::TOO_MANY_REQUESTS);
    let journey = rig.get("/texts/b").await.json();
    assert_eq!(journey["status"], "waiting");
    assert!(
        journey["error_message"]
            .as_str()
            .unwrap()
            .contains("daily limit")
    );
    rig.pass(Duration::from_secs(27_000));
    assert_eq!(rig.draw("b", 2).await.status, StatusCode::CREATED);
    assert_eq!(rig.draw("c", 3).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(rig.draw("a", 1).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 2);
}

#[tokio::test]
async fn what_was_certainly_not_sent_does_not_count() {
    let rig = Rig::with(&[("SMS_DAILY_LIMIT", "1")]).await;
    rig.twilio.answer([
        Answer::Fail(429, 20429, "Too Many Requests"),
        Answer::Fail(400, 21211, "Not valid"),
    ]);
    assert_eq!(
        rig.draw("a", 1).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(rig.draw("b", 2).await.status, StatusCode::ACCEPTED);
    assert_eq!(rig.draw("c", 3).await.status, StatusCode::CREATED);
    assert_eq!(rig.draw("a", 1).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn what_may_have_been_sent_counts() {
    let rig = Rig::with(&[("SMS_DAILY_LIMIT", "1")]).await;
    rig.twilio.answer([Answer::Silence { made: false }]);
    assert_eq!(
        rig.draw("a", 1).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(rig.draw("b", 2).await.status, StatusCode::TOO_MANY_REQUESTS);
    rig.pass(Duration::from_secs(90));
    assert_eq!(rig.draw("a", 1).await.status, StatusCode::CREATED);
    assert_eq!(rig.draw("b", 2).await.status, StatusCode::TOO_MANY_REQUESTS);
}
