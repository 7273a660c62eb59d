//! What is said, and what must not be.

use std::time::Duration;

use super::*;
use crate::journey::{Leg, Standing, Text, TextStatus, Try};

const CLAIM: &str = "Sent a text with this random number: 641";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn attempt(status: Option<u16>, failure: Option<&str>, said: Option<&str>) -> Try {
    Try {
        number: 1,
        at: now(),
        took: Duration::from_millis(3),
        status,
        failure: failure.map(str::to_owned),
        said: said.map(str::to_owned),
        request: None,
        answer: None,
    }
}

fn journey(attempts: Vec<Try>, standing: Standing, text: Text) -> Journey {
    let mut journey = Journey::new("e1".to_owned(), 641, now());
    journey.legs = vec![Leg {
        name: "the texter".to_owned(),
        url: "http://localhost:9000".to_owned(),
        texter: true,
        attempts,
        standing,
    }];
    journey.text = text;
    journey
}

fn told(status: &str, error_code: Option<i64>, error_message: Option<&str>) -> Text {
    Text::Told(TextStatus {
        event_id: "e1".to_owned(),
        status: status.to_owned(),
        error_code,
        error_message: error_message.map(str::to_owned),
    })
}

/// Everything that is said, on one line.
fn whole(journey: &Journey) -> String {
    let story = tell(journey, now());
    let line = |line: &Line| {
        let at = line
            .at
            .map_or(String::new(), |at| format!(" {}", at.human()));
        format!("{}{at}", line.text)
    };
    let mut parts = vec![story.headline.clone()];
    parts.extend(story.more.iter().map(line));
    for branch in &story.branches {
        for step in [Some(&branch.step), branch.text.as_ref()]
            .into_iter()
            .flatten()
        {
            parts.push(step.title.clone());
            parts.extend(step.lines.iter().map(line));
        }
        parts.extend(branch.attempts.iter().map(|(attempt, _)| line(attempt)));
    }
    parts.join(" | ")
}

fn taken() -> (Vec<Try>, Standing) {
    (
        vec![attempt(Some(201), None, None)],
        Standing::Delivered(now()),
    )
}

#[test]
fn a_text_is_claimed_once_twilio_accepted_it_and_not_before() {
    let (attempts, standing) = taken();
    for (text, claimed) in [
        (Text::Unknown, false),
        (Text::OutOfReach, false),
        (Text::NotTold, false),
        (Text::LostSight(None), false),
        (told("waiting", None, None), false),
        (told("a word of tomorrow", None, None), false),
        (told("unknown", None, None), false),
        (told("refused", Some(21211), None), false),
        (told("undelivered", Some(30003), None), false),
        (told("queued", None, None), true),
        (told("sent", None, None), true),
        (told("delivered", None, None), true),
    ] {
        let journey = journey(attempts.clone(), standing.clone(), text);
        let told = whole(&journey);
        assert_eq!(told.contains(CLAIM), claimed, "{told}");
    }
}

#[test]
fn delivered_is_said_of_the_text_only_when_the_phone_has_it() {
    let (attempts, standing) = taken();
    for (status, delivered) in [("queued", false), ("sent", false), ("delivered", true)] {
        let journey = journey(attempts.clone(), standing.clone(), told(status, None, None));
        let told = whole(&journey);
        assert_eq!(told.contains("delivered to the phone"), delivered, "{told}");
    }
}

#[test]
fn a_texter_that_is_down_is_named_with_the_next_try() {
    let due = now() + Duration::from_secs(5);
    let journey = journey(
        vec![attempt(None, Some("connection refused"), None)],
        Standing::WaitsUntil(due),
        Text::Unknown,
    );
    let told = whole(&journey);
    assert!(
        told.starts_with(
            "641 is not texted yet: the texter can't be reached (connection refused). | \
             It tries again at 22:13:25 UTC"
        ),
        "{told}"
    );
}

#[test]
fn while_twilio_may_have_a_text_it_is_not_said_that_there_is_none() {
    let journey = journey(
        vec![attempt(Some(503), Some("answered 503"), None)],
        Standing::WaitsUntil(now()),
        told("unknown", None, None),
    );
    let told = whole(&journey);
    assert!(
        told.starts_with("It is not known yet whether 641 was texted"),
        "{told}"
    );
    assert!(!told.contains("not texted yet"), "{told}");
}

#[test]
fn a_try_that_is_due_already_has_no_time_in_the_past() {
    let journey = journey(
        vec![attempt(
            Some(503),
            Some("answered 503"),
            Some("Twilio is busy"),
        )],
        Standing::WaitsUntil(now()),
        Text::Unknown,
    );
    let told = whole(&journey);
    assert!(
        told.contains("the texter answered 503 and said “Twilio is busy”"),
        "{told}"
    );
    assert!(told.contains("It tries again any moment."), "{told}");
}

#[test]
fn a_refusal_in_the_texters_202_is_told_even_without_its_status() {
    let journey = journey(
        vec![attempt(
            Some(202),
            None,
            Some("The 'To' number is not valid"),
        )],
        Standing::Delivered(now()),
        Text::NotTold,
    );
    let told = whole(&journey);
    assert!(told.starts_with("No text was sent for 641."), "{told}");
    assert!(told.contains("The 'To' number is not valid"), "{told}");
    assert!(told.contains("Nothing tries again"), "{told}");
}

#[test]
fn a_text_that_failed_says_why_and_that_nothing_tries_again() {
    let (attempts, standing) = taken();
    let text = told(
        "undelivered",
        Some(30003),
        Some("Unreachable destination handset."),
    );
    let told = whole(&journey(attempts, standing, text));
    assert!(
        told.starts_with("The text with 641 did not reach the phone."),
        "{told}"
    );
    assert!(
        told.contains(
            "Unreachable destination handset (Twilio's error 30003). Nothing tries again"
        ),
        "{told}"
    );
}

#[test]
fn an_endpoint_that_is_no_texter_is_not_made_one() {
    let (attempts, standing) = taken();
    let told = whole(&journey(attempts, standing, Text::NotTold));
    assert!(
        told.starts_with("641 was delivered to http://localhost:9000."),
        "{told}"
    );
    assert!(told.contains("nothing more is known"), "{told}");
}

#[test]
fn what_was_given_up_says_so() {
    let journey = journey(
        vec![attempt(None, Some("connection refused"), None)],
        Standing::Ended("every attempt failed".to_owned(), now()),
        Text::Unknown,
    );
    let told = whole(&journey);
    assert!(
        told.contains("641 was not texted: it never reached the texter."),
        "{told}"
    );
    assert!(told.contains("Every attempt failed"), "{told}");
}
