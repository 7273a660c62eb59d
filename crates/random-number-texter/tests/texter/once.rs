//! However often, however concurrently and after whatever mishap an event comes: one text.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;

use crate::{
    rig::{ANSWER_MS, FROM, Rig, TO, event, json_post, soon},
    twilio::Answer,
};

const ONE: [&str; 1] = ["Here's a random number: 641"];

#[tokio::test]
async fn a_thousand_concurrent_copies_are_one_text() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::TakeWhenReleased]);
    let copies = join_all((0..1000).map(|_| rig.draw("a", 641)));
    let release = async {
        rig.twilio.posted(1).await;
        rig.twilio.release();
    };
    let (answers, ()) = tokio::join!(copies, release);
    assert_eq!(rig.twilio.posts(), 1);
    assert_eq!(rig.twilio.bodies(), ONE);
    for answered in answers {
        assert_eq!(answered.status, StatusCode::CREATED);
        assert_eq!(answered.body, event("a", 641));
    }
}

#[tokio::test]
async fn copies_share_the_first_ones_failure_and_a_later_one_tries_again() {
    let rig = Rig::new().await;
    rig.twilio
        .answer([Answer::Fail(429, 20429, "Too Many Requests")]);
    let answers = join_all((0..100).map(|_| rig.draw("a", 641))).await;
    // Those that came after the first one had ended sent it; there is one text either way.
    let texted = answers
        .iter()
        .filter(|answered| answered.status == StatusCode::CREATED)
        .count();
    assert!(texted < 100, "the first was turned away");
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.bodies(), ONE);
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    rig.restart().await;
    let answers = join_all((0..1000).map(|_| rig.draw("a", 641))).await;
    assert!(
        answers
            .iter()
            .all(|answered| answered.status == StatusCode::CREATED)
    );
    assert_eq!(rig.twilio.posts(), 1);
}

#[tokio::test]
async fn turned_away_three_times_then_taken_is_one_text() {
    let rig = Rig::new().await;
    let busy = Answer::Fail(429, 20429, "Too Many Requests");
    rig.twilio.answer([busy.clone(), busy.clone(), busy]);
    for _ in 0..3 {
        let answered = rig.draw("a", 641).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answered.header("retry-after"), "5");
        assert_eq!(rig.status("a").await, "waiting");
    }
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 4);
    assert_eq!(rig.twilio.bodies(), ONE);
}

#[tokio::test]
async fn a_server_error_is_looked_up_before_the_text_is_sent_again() {
    let rig = Rig::new().await;
    rig.twilio.answer([
        Answer::Fail(500, 20500, "Internal Server Error"),
        Answer::FailAfterTaking,
    ]);
    for _ in 0..2 {
        let answered = rig.draw("a", 641).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answered.header("retry-after"), "5");
        assert_eq!(rig.status("a").await, "unknown");
    }
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 2);
    assert_eq!(rig.twilio.bodies(), ONE);
    assert_eq!(rig.status("a").await, "queued");
}

#[tokio::test]
async fn a_server_error_is_tried_again_also_where_there_is_no_list() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::Fail(503, 20503, "Unavailable")]);
    rig.twilio.answer_list(Some(501));
    assert_eq!(
        rig.draw("a", 641).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.bodies(), ONE);
}

#[tokio::test]
async fn silence_then_a_copy_finds_the_text_that_was_made() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::Silence { made: true }]);
    let answered = rig.draw("a", 641).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.header("retry-after"), "90");
    assert_eq!(rig.status("a").await, "unknown");
    rig.twilio.be_a_trial();
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 1);
    let journey = rig.get("/texts/a").await.json();
    assert_eq!(journey["status"], "queued");
    assert_eq!(journey["sid"], rig.twilio.texts()[0]["Sid"].as_str());
    assert_eq!(journey["error_message"], serde_json::Value::Null);
}

#[tokio::test]
async fn silence_and_no_text_is_sent_again_once_it_can_no_longer_come() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::Silence { made: false }]);
    rig.draw("a", 641).await;
    rig.pass(Duration::from_secs(10));
    let answered = rig.draw("a", 641).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.header("retry-after"), "80");
    assert_eq!(rig.twilio.posts(), 1);
    rig.pass(Duration::from_secs(80));
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.bodies(), ONE);
}

#[tokio::test]
async fn silence_is_not_repeated_while_twilio_cannot_be_asked() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::Silence { made: true }]);
    rig.draw("a", 641).await;
    rig.pass(Duration::from_secs(3600));
    for status in [500, 429, 404, 200] {
        // The same for a 200 without a list.
        rig.twilio.answer_list(Some(status));
        let answered = rig.draw("a", 641).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "{status}");
    }
    assert_eq!(rig.twilio.posts(), 1);
    rig.twilio.answer_list(None);
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 1);
}

#[tokio::test]
async fn another_events_text_that_says_the_same_is_not_taken_for_ours() {
    let rig = Rig::new().await;
    // Before our time, to another number, of another event.
    rig.twilio.add(ONE[0], TO, FROM);
    rig.pass(Duration::from_secs(3600));
    rig.twilio.add(ONE[0], "+15555550199", FROM);
    assert_eq!(rig.draw("b", 641).await.status, StatusCode::CREATED);
    rig.twilio.answer([Answer::Silence { made: false }]);
    rig.draw("a", 641).await;
    rig.pass(Duration::from_secs(90));
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 3);
}

#[tokio::test]
async fn a_restart_looks_up_what_was_left_in_doubt() {
    let mut rig = Rig::new().await;
    rig.twilio.answer([Answer::Silence { made: true }]);
    rig.draw("a", 641).await;
    rig.restart().await;
    // Without another copy of the event.
    rig.read_until("/texts/a/events", "\"status\":\"queued\"")
        .await;
    assert_eq!(rig.twilio.posts(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let rig = Rig::new().await;
    for made in [true, false] {
        rig.twilio.answer([Answer::BreakOff { made }]);
        let id = made.to_string();
        let answered = rig.draw(&id, 641).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answered.header("retry-after"), "30");
        assert_eq!(rig.status(&id).await, "unknown");
        rig.pass(Duration::from_secs(30));
        assert_eq!(rig.draw(&id, 641).await.status, StatusCode::CREATED);
    }
    assert_eq!(rig.twilio.posts(), 3);
    assert_eq!(rig.twilio.texts().len(), 2);
}

#[tokio::test]
async fn a_slow_twilio_does_not_keep_the_sender_beyond_its_time() {
    let rig = Rig::with(&[(ANSWER_MS, "50")]).await;
    rig.twilio.answer([Answer::TakeWhenReleased]);
    for _ in 0..2 {
        let answered = rig.draw("a", 641).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answered.body.contains("being sent"), "{answered:?}");
    }
    rig.twilio.posted(1).await;
    rig.twilio.release();
    rig.read_until("/texts/a/events", "\"status\":\"queued\"")
        .await;
    // A busy machine may also need longer than that to read the store.
    soon(async { while rig.draw("a", 641).await.status != StatusCode::CREATED {} }).await;
    assert_eq!(rig.twilio.posts(), 1);
}

#[tokio::test]
async fn two_events_with_one_number_are_never_taken_for_each_other() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::Silence { made: true }]);
    rig.draw("a", 641).await;
    rig.twilio.answer([Answer::TakeWhenReleased]);
    let twin = rig.draw("b", 641);
    let looked_up = async {
        rig.twilio.posted(2).await;
        // The listed text may be the twin's, whose answer has not come.
        let answered = rig.draw("a", 641).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
        rig.twilio.release();
    };
    let (twin, ()) = tokio::join!(twin, looked_up);
    assert_eq!(twin.status, StatusCode::CREATED);
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 2);
    let sids = [rig.get("/texts/a").await, rig.get("/texts/b").await]
        .map(|journey| journey.json()["sid"].as_str().unwrap().to_owned());
    assert_ne!(sids[0], sids[1]);
}

#[tokio::test]
async fn an_event_is_remembered_for_thirty_days() {
    let rig = Rig::new().await;
    let day = Duration::from_secs(24 * 60 * 60);
    rig.draw("a", 641).await;
    rig.pass(29 * day);
    rig.draw("b", 1).await;
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 2);
    rig.pass(2 * day);
    rig.draw("c", 1).await;
    assert_eq!(rig.get("/texts/a").await.status, StatusCode::NOT_FOUND);
    assert_eq!(rig.get("/texts/b").await.status, StatusCode::OK);
}

#[tokio::test]
async fn events_without_an_id_are_texted_each_time_and_known_by_the_header_if_there_is_one() {
    let rig = Rig::new().await;
    let body = r#"{"event":"random_number:generate","data":641}"#;
    for _ in 0..2 {
        assert_eq!(rig.post(body).await.status, StatusCode::CREATED);
    }
    assert_eq!(rig.twilio.posts(), 2);
    for _ in 0..2 {
        let mut request = json_post(body);
        request
            .headers_mut()
            .insert("webhook-id", "msg_1".parse().unwrap());
        assert_eq!(rig.call(request).await.status, StatusCode::CREATED);
    }
    assert_eq!(rig.twilio.posts(), 3);
    assert_eq!(rig.status("msg_1").await, "queued");
}

#[tokio::test]
async fn the_sender_may_hang_up_and_the_text_still_goes_out() {
    let rig = Rig::new().await;
    rig.twilio.answer([Answer::TakeWhenReleased]);
    {
        let mut draw = std::pin::pin!(rig.draw("a", 641));
        tokio::select! {
            _ = &mut draw => panic!("answered before Twilio did"),
            () = rig.twilio.posted(1) => {}
        }
    }
    rig.twilio.release();
    assert_eq!(rig.draw("a", 641).await.status, StatusCode::CREATED);
    assert_eq!(rig.twilio.posts(), 1);
}

#[tokio::test]
async fn a_second_texter_on_the_same_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("shared.db").display().to_string();
    let _first = Rig::with(&[("TEXTER_STORE", &store)]).await;
    let variables = serve::Variables::of(|name| {
        Some(match name {
            "SMS_TWILIO_SID" => crate::rig::SID.to_owned(),
            "SMS_TWILIO_TOKEN" => crate::rig::TOKEN.to_owned(),
            "SMS_TWILIO_FROM_NUMBER" => FROM.to_owned(),
            "SMS_TWILIO_TO_NUMBER" => TO.to_owned(),
            "TEXTER_STORE" => store.clone(),
            _ => return None,
        })
    });
    let config = variables.read(random_number_texter::Config::read).unwrap();
    let opened =
        random_number_texter::Texter::open(config, None, random_number_texter::system_clock());
    let Err(error) = opened.await else {
        panic!("two texters have one store");
    };
    let told = error.to_string();
    assert!(
        told.contains("in use") && told.contains("TEXTER_STORE"),
        "{told}"
    );
}
