//! Texts that a person writes on the phone, and what a program answers.

use std::collections::BTreeMap;

use dev_phone::{Account, Direction, Message, ReplyError, Status, sign};

use crate::desk::{Desk, FROM, Program, SID, TO};

fn desk_for(program: &Program) -> Desk {
    let url = program.url.parse().unwrap();
    Desk::with(|config| config.reply_url = Some(url))
}

fn note(message: &Message) -> &str {
    message.note.as_ref().map_or("", |note| &note.text)
}

#[tokio::test]
async fn a_reply_is_posted_as_a_signed_inbound_text() {
    let mut program = Program::start(204, "text/plain", "").await;
    let desk = desk_for(&program);
    let replied = desk.phone.reply(" Thanks & bye ").await.unwrap();
    assert!(replied.delivered);
    let sid = replied.message.sid.as_str();
    let posted = program.next().await;
    assert_eq!(
        posted.fields(),
        BTreeMap::from([
            ("MessageSid", sid),
            ("SmsSid", sid),
            ("SmsMessageSid", sid),
            ("AccountSid", SID),
            ("From", TO),
            ("To", FROM),
            ("ToCountry", "US"),
            ("Body", "Thanks & bye"),
            ("NumMedia", "0"),
            ("NumSegments", "1"),
            ("SmsStatus", "received"),
            ("ApiVersion", "2010-04-01"),
        ])
    );
    assert_eq!(
        posted.signature,
        sign(&Account::development().token, &program.url, &posted.form).unwrap()
    );
    let kept = &desk.phone.messages()[0];
    assert_eq!(
        (kept.direction, kept.status),
        (Direction::Inbound, Status::Received)
    );
    assert!(note(kept).starts_with("Delivered: answered 204 in "));
}

#[tokio::test]
async fn twiml_in_the_answer_arrives_on_the_phone() {
    let twiml = "<Response><Message><Body>You said &lt;hi&gt;</Body></Message>\
                 <Message to=\"+15555550199\">Psst</Message><Redirect>/x</Redirect></Response>";
    let program = Program::start(200, "text/xml; charset=utf-8", twiml).await;
    let desk = desk_for(&program);
    let replied = desk.phone.reply("hi").await.unwrap();
    assert!(replied.delivered);
    assert!(
        note(&replied.message).ends_with("2 texts in the answer; not carried out here: Redirect."),
        "{}",
        note(&replied.message)
    );
    desk.until(|messages| messages.iter().all(|text| text.status.is_final()))
        .await;
    let texts = desk.phone.messages();
    let answers: Vec<_> = texts[1..]
        .iter()
        .map(|text| (text.direction, text.to.as_str(), text.body.as_str()))
        .collect();
    assert_eq!(
        answers,
        [
            (Direction::OutboundReply, TO, "You said <hi>"),
            (Direction::OutboundReply, "+15555550199", "Psst"),
        ]
    );
}

#[tokio::test]
async fn plain_text_in_the_answer_is_one_text() {
    let program = Program::start(200, "text/plain", "pong").await;
    let desk = desk_for(&program);
    assert!(desk.phone.reply("ping").await.unwrap().delivered);
    assert_eq!(desk.phone.messages()[1].body, "pong");
}

#[tokio::test]
async fn an_answer_that_twilio_would_not_take_is_named() {
    for (status, kind, body, reason) in [
        (500, "text/xml", "", "11200"),
        (404, "text/html", "no", "11200"),
        (302, "text/xml", "", "11200"),
        (200, "text/xml", "<Response>", "12100"),
        (200, "application/xml", "<html/>", "12100"),
        (200, "application/json", "{}", "12300"),
    ] {
        let program = Program::start(status, kind, body).await;
        let desk = desk_for(&program);
        let replied = desk.phone.reply("hi").await.unwrap();
        assert!(!replied.delivered, "{status} {kind} {body}");
        let said = note(&replied.message);
        assert!(
            said.starts_with("Not delivered: ") && said.contains(reason),
            "{said}"
        );
        assert_eq!(desk.phone.messages().len(), 1);
    }
}

#[tokio::test]
async fn a_reply_without_a_url_stays_on_the_phone_and_says_why() {
    let desk = Desk::new();
    let replied = desk.phone.reply("hello?").await.unwrap();
    assert!(!replied.delivered);
    assert!(note(&replied.message).contains("REPLY_URL"));
    assert_eq!(desk.phone.messages().len(), 1);
}

#[tokio::test]
async fn a_program_that_is_not_there_or_answers_without_end_is_named() {
    let endless = Program::start(200, "text/xml", &"x".repeat(65 * 1024)).await;
    for (url, reason) in [
        (endless.url.as_str(), "larger than 65536 bytes"),
        ("http://127.0.0.1:1/", "nothing seems to listen there"),
    ] {
        let url = url.parse().unwrap();
        let desk = Desk::with(|config| config.reply_url = Some(url));
        let replied = desk.phone.reply("hi").await.unwrap();
        assert!(!replied.delivered);
        assert!(note(&replied.message).contains(reason));
    }
}

#[tokio::test]
async fn empty_and_overlong_replies_are_refused() {
    let desk = Desk::new();
    assert_eq!(
        desk.phone.reply(" \n").await.unwrap_err(),
        ReplyError::Empty
    );
    assert_eq!(
        desk.phone.reply(&"a".repeat(1601)).await.unwrap_err(),
        ReplyError::TooLong(1601)
    );
    assert!(desk.phone.messages().is_empty());
}
