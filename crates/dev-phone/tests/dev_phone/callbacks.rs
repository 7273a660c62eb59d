//! Status callbacks: which, in which order, with which fields and signature.

use std::collections::BTreeMap;

use dev_phone::{Account, Status, sign};

use crate::desk::{Desk, FROM, GOOD, Program, SID, TO, messages};

#[tokio::test]
async fn every_state_after_the_first_is_reported_in_order_and_signed() {
    let mut program = Program::start(204, "text/plain", "").await;
    let desk = Desk::new();
    let url = program.url.clone();
    let mut form = GOOD.to_vec();
    form.push(("StatusCallback", &url));
    let sid = desk.take(&form).await;
    for status in ["sending", "sent", "delivered"] {
        let posted = program.next().await;
        assert_eq!(
            posted.fields(),
            BTreeMap::from([
                ("MessageSid", sid.as_str()),
                ("SmsSid", &sid),
                ("MessageStatus", status),
                ("SmsStatus", status),
                ("To", TO),
                ("From", FROM),
                ("AccountSid", SID),
                ("ApiVersion", "2010-04-01"),
            ])
        );
        assert_eq!(
            posted.signature,
            sign(&Account::development().token, &url, &posted.form).unwrap()
        );
    }
}

#[tokio::test]
async fn the_signature_is_over_the_url_as_a_receiver_sees_it() {
    let mut program = Program::start(204, "text/plain", "").await;
    let desk = Desk::new();
    let url = format!("{}?event=7&x=%C3%A9", program.url);
    let mut form = GOOD.to_vec();
    let with_fragment = format!("{url}#retry");
    form.push(("StatusCallback", &with_fragment));
    desk.take(&form).await;
    let posted = program.next().await;
    assert_eq!(
        posted.signature,
        sign(&Account::development().token, &url, &posted.form).unwrap()
    );
}

#[tokio::test]
async fn a_url_is_signed_as_it_was_written_and_not_as_a_client_writes_it() {
    let mut program = Program::start(204, "text/plain", "").await;
    let desk = Desk::new();
    for tail in ["?q='a'", "/../?q=\"gr\u{fc}n\"", "?Q={1}|2"] {
        let url = format!("{}{tail}", program.url).replace("http://", "HTTP://");
        let mut form = GOOD.to_vec();
        form.push(("StatusCallback", &url));
        desk.take(&form).await;
        for _ in 0..3 {
            let posted = program.next().await;
            assert_eq!(
                posted.signature,
                sign(&Account::development().token, &url, &posted.form).unwrap(),
                "{url}"
            );
        }
    }
}

#[tokio::test]
async fn an_undelivered_text_is_reported_with_its_error() {
    let mut program = Program::start(200, "text/plain", "").await;
    let desk = Desk::new();
    desk.phone
        .set_switches(desk.phone.switches().with([("airplane", "on")]).unwrap());
    let url = program.url.clone();
    let mut form = GOOD.to_vec();
    form.push(("StatusCallback", &url));
    desk.take(&form).await;
    let mut last = program.next().await;
    while last.field("MessageStatus") != "undelivered" {
        last = program.next().await;
    }
    assert_eq!(last.field("ErrorCode"), "30003");
    assert_eq!(
        last.field("ErrorMessage"),
        "Unreachable destination handset"
    );
}

#[tokio::test]
async fn a_canceled_text_is_reported() {
    let mut program = Program::start(200, "text/plain", "").await;
    let desk = Desk::new();
    let url = program.url.clone();
    let service = "MG00000000000000000000000000000000";
    let sid = desk
        .take(&[
            ("To", TO),
            ("MessagingServiceSid", service),
            ("Body", "later"),
            ("ScheduleType", "fixed"),
            ("SendAt", "2023-08-24T06:00:00Z"),
            ("StatusCallback", &url),
        ])
        .await;
    let path = messages(&format!("/{sid}.json"));
    desk.call("POST", &path, &[("Status", "canceled")]).await;
    let posted = program.next().await;
    assert_eq!(posted.field("MessageStatus"), "canceled");
    assert_eq!(posted.field("MessagingServiceSid"), service);
    assert_eq!(posted.field("From"), "");
}

#[tokio::test]
async fn a_program_that_does_not_take_callbacks_holds_no_text_up() {
    let desk = Desk::new();
    let program = Program::start(500, "text/plain", "").await;
    for url in [program.url.as_str(), "http://127.0.0.1:1/"] {
        let mut form = GOOD.to_vec();
        form.push(("StatusCallback", url));
        desk.take(&form).await;
    }
    desk.until(|messages| messages.iter().all(|text| text.status == Status::Delivered))
        .await;
    // Waits for the callbacks, so that what became of them is on the page.
    desk.phone.shutdown(crate::desk::LIMIT).await;
    let page = desk.page("GET", "/", &[], "").await.text;
    assert!(page.contains("answered 500"), "{page}");
    assert!(page.contains("nothing seems to listen there"), "{page}");
}
