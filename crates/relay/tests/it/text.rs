//! Texts, by the texter's client, to dev-phone: once, whatever Twilio's answer was.

use std::time::Duration;

use dev_phone::{Config, Pace, Phone};
use tokio::net::TcpListener;

use crate::rig::Rig;

struct Twilio {
    phone: Phone,
    rules: String,
}

async fn twilio() -> Twilio {
    let config = Config {
        pace: Pace::INSTANT,
        ..Config::default()
    };
    let phone = Phone::new(config).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = dev_phone::app(phone.clone());
    tokio::spawn(serve::serve(
        listener,
        router,
        serve::Limits::default(),
        std::future::pending(),
    ));
    let rules = format!(
        r#"
        [twilio]
        sid = "AC00000000000000000000000000000000"
        token = "dev-phone"
        from = "+15005550006"
        base_url = "http://{address}"

        [[rule]]
        name = "text"
        source = "numbers"
        [[rule.action]]
        kind = "text"
        to = "+15555550100"
        text = "Here's a random number: {{{{ data }}}}"
        "#
    );
    Twilio { phone, rules }
}

impl Twilio {
    fn switch(&self, answer: &str) {
        let switches = self
            .phone
            .switches()
            .with([("answer", answer), ("times", "1")]);
        self.phone.set_switches(switches.unwrap());
    }

    fn texts(&self) -> usize {
        self.phone.messages().len()
    }
}

#[tokio::test]
async fn each_event_is_one_text_whatever_twilio_answers_first() {
    for (answer, texts_at_first) in [
        ("accept", 1),
        ("too_many_requests", 0),
        ("server_error", 0),
        ("drop", 0),
        ("accept_then_drop", 1),
    ] {
        let twilio = twilio().await;
        twilio.switch(answer);
        // Twilio's list is dated by the real clock.
        let rig = Rig::new(&twilio.rules).await;
        rig.draw("first", 863).await;
        assert_eq!(twilio.texts(), texts_at_first, "{answer}");
        for _ in 0..3 {
            rig.pass(Duration::from_secs(400)).await;
        }
        assert_eq!(
            twilio.texts(),
            1,
            "{answer}: {:?}",
            rig.answers("text", "1-text").await
        );
        let answers = rig.answers("text", "1-text").await;
        assert!(
            answers.last().unwrap().starts_with("Twilio has it"),
            "{answer}: {answers:?}"
        );
    }
}

#[tokio::test]
async fn a_text_that_says_the_same_as_another_events_is_sent_as_well() {
    let twilio = twilio().await;
    let rig = Rig::new(&twilio.rules).await;
    rig.draw("first", 7).await;
    twilio.switch("drop");
    rig.draw("second", 7).await;
    assert_eq!(twilio.texts(), 1);
    for _ in 0..3 {
        rig.pass(Duration::from_secs(400)).await;
    }
    assert_eq!(twilio.texts(), 2);
}

#[tokio::test]
async fn what_twilio_refuses_names_no_number() {
    let twilio = twilio().await;
    let rig = Rig::new(&twilio.rules.replace("+15555550100", "+15005550001")).await;
    rig.draw("first", 7).await;
    let answers = rig.answers("text", "1-text").await;
    assert!(
        answers[0].contains("21211") && !answers[0].contains("15005550001"),
        "{answers:?}"
    );
}
