//! Creating, fetching, redacting, canceling and deleting texts.

use std::collections::BTreeSet;

use dev_phone::Status;
use serde_json::{Value, json};

use crate::desk::{Desk, FROM, GOOD, SID, TO, message, messages};

#[tokio::test]
async fn a_created_text_has_exactly_twilios_keys_and_values() {
    let desk = Desk::new();
    let answer = desk.create(&GOOD).await;
    assert_eq!(answer.status, 201);
    let sid = "SM00000000000000000000000000000001";
    assert_eq!(
        answer.json(),
        json!({
            "account_sid": SID,
            "api_version": "2010-04-01",
            "body": "Hello",
            "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
            "date_sent": null,
            "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
            "direction": "outbound-api",
            "error_code": null,
            "error_message": null,
            "from": FROM,
            "messaging_service_sid": null,
            "num_media": "0",
            "num_segments": "1",
            "price": null,
            "price_unit": "USD",
            "sid": sid,
            "status": "queued",
            "subresource_uris": { "media": messages(&format!("/{sid}/Media.json")) },
            "to": TO,
            "uri": messages(&format!("/{sid}.json")),
        })
    );
}

#[tokio::test]
async fn a_text_is_delivered_and_then_has_a_date_of_sending() {
    let desk = Desk::new();
    let sid = desk.deliver("Hello").await;
    let fetched = desk
        .call("GET", &messages(&format!("/{sid}.json")), &[])
        .await;
    assert_eq!(fetched.status, 200);
    let fetched = fetched.json();
    assert_eq!(fetched["status"], "delivered");
    assert_eq!(fetched["date_sent"], "Thu, 24 Aug 2023 05:01:45 +0000");
    assert_eq!(fetched.as_object().unwrap().len(), 20);
}

#[tokio::test]
async fn senders_of_every_kind_are_taken() {
    let desk = Desk::new();
    for from in [FROM, "+15005550006", "12345", "Weather"] {
        let answer = desk
            .create(&[("To", TO), ("From", from), ("Body", "x")])
            .await;
        assert_eq!((answer.status, &answer.json()["from"]), (201, &json!(from)));
    }
}

#[tokio::test]
async fn a_messaging_service_accepts_first_and_chooses_the_sender_later() {
    let desk = Desk::new();
    let service = "MG00000000000000000000000000000000";
    let answer = desk
        .create(&[("To", TO), ("MessagingServiceSid", service), ("Body", "x")])
        .await
        .json();
    assert_eq!(answer["status"], "accepted");
    assert_eq!(answer["from"], Value::Null);
    assert_eq!(answer["messaging_service_sid"], service);
    desk.until(|messages| messages[0].status == Status::Delivered)
        .await;
    assert_eq!(desk.phone.messages()[0].from.as_deref(), Some(FROM));
}

#[tokio::test]
async fn media_and_segments_are_counted() {
    let desk = Desk::new();
    let long = "é".repeat(307);
    for (form, media, segments) in [
        (
            vec![
                ("Body", "x"),
                ("MediaUrl", "https://example.com/1.png"),
                ("MediaUrl", "https://example.com/2.png"),
            ],
            "2",
            "1",
        ),
        (vec![("MediaUrl", "https://example.com/1.png")], "1", "1"),
        (vec![("Body", long.as_str())], "0", "3"),
    ] {
        let form: Vec<_> = [("To", TO), ("From", FROM)]
            .into_iter()
            .chain(form)
            .collect();
        let answer = desk.create(&form).await.json();
        assert_eq!(answer["num_media"], media, "{form:?}");
        assert_eq!(answer["num_segments"], segments, "{form:?}");
    }
}

#[tokio::test]
async fn a_trial_account_puts_its_prefix_before_the_body_and_it_counts() {
    let desk = Desk::with(|config| config.trial = true);
    let body = "a".repeat(160);
    let answer = desk
        .create(&[("To", TO), ("From", FROM), ("Body", &body)])
        .await
        .json();
    assert_eq!(
        answer["body"],
        format!("Sent from your Twilio trial account - {body}")
    );
    assert_eq!(answer["num_segments"], "2");
}

#[tokio::test]
async fn redacting_empties_the_body_and_keeps_the_rest() {
    let desk = Desk::new();
    let sid = desk.deliver("secret").await;
    let path = messages(&format!("/{sid}.json"));
    let redacted = desk.call("POST", &path, &[("Body", "")]).await;
    assert_eq!(redacted.status, 200);
    assert_eq!(redacted.json()["body"], "");
    assert_eq!(redacted.json()["status"], "delivered");
    assert_eq!(desk.call("GET", &path, &[]).await.json()["body"], "");
    let other = desk.call("POST", &path, &[("Body", "forged")]).await;
    assert_eq!((other.status, &other.json()["code"]), (400, &json!(20001)));
}

#[tokio::test]
async fn a_scheduled_text_waits_and_can_be_called_off_once() {
    let desk = Desk::new();
    let sid = desk
        .take(&[
            ("To", TO),
            ("MessagingServiceSid", "MG00000000000000000000000000000000"),
            ("Body", "later"),
            ("ScheduleType", "fixed"),
            ("SendAt", "2023-08-24T06:00:00Z"),
        ])
        .await;
    let path = messages(&format!("/{sid}.json"));
    assert_eq!(
        desk.call("GET", &path, &[]).await.json()["status"],
        "scheduled"
    );
    for (method, form) in [("DELETE", &[][..]), ("POST", &[("Body", "")][..])] {
        let early = desk.call(method, &path, form).await;
        assert_eq!((early.status, &early.json()["code"]), (409, &json!(20009)));
    }
    let canceled = desk.call("POST", &path, &[("Status", "canceled")]).await;
    assert_eq!(
        (canceled.status, &canceled.json()["status"]),
        (200, &json!("canceled"))
    );
    let again = desk.call("POST", &path, &[("Status", "canceled")]).await;
    assert_eq!((again.status, &again.json()["code"]), (400, &json!(30409)));
}

#[tokio::test]
async fn a_deleted_text_is_gone() {
    let desk = Desk::new();
    let sid = desk.deliver("x").await;
    let path = messages(&format!("/{sid}.json"));
    let deleted = desk.call("DELETE", &path, &[]).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    for method in ["GET", "POST", "DELETE"] {
        let gone = desk.call(method, &path, &[]).await;
        assert_eq!((gone.status, &gone.json()["code"]), (404, &json!(20404)));
    }
    assert!(desk.phone.messages().is_empty());
}

#[tokio::test]
async fn the_oldest_text_falls_out_when_the_phone_is_full() {
    let desk = Desk::new();
    for _ in 0..=dev_phone::TEXTS_KEPT {
        desk.deliver("x").await;
    }
    let kept = desk.phone.messages();
    assert_eq!(kept.len(), dev_phone::TEXTS_KEPT);
    assert_eq!(kept[0].sid.as_str(), "SM00000000000000000000000000000002");
    let sids: BTreeSet<_> = kept.iter().map(|text| text.sid.as_str()).collect();
    assert_eq!(sids.len(), kept.len());
}

#[tokio::test]
async fn airplane_mode_takes_texts_and_leaves_them_undelivered() {
    let desk = Desk::new();
    for (code, reason) in [
        ("30003", "Unreachable destination handset"),
        ("30005", "Unknown destination handset"),
        ("30006", "Landline or unreachable carrier"),
        ("30007", "Carrier violation"),
        ("30008", "Unknown error"),
    ] {
        let switches = [("airplane", "on"), ("delivery_error", code)];
        desk.phone
            .set_switches(desk.phone.switches().with(switches).unwrap());
        let sid = desk.deliver("x").await;
        let fetched = desk
            .call("GET", &messages(&format!("/{sid}.json")), &[])
            .await
            .json();
        assert_eq!(fetched["status"], "undelivered");
        assert_eq!(fetched["error_code"].to_string(), code);
        assert_eq!(fetched["error_message"], reason);
    }
    desk.phone.set_switches(dev_phone::Switches::default());
    let sid = desk.deliver("x").await;
    assert_eq!(
        message(&desk.phone.messages(), &sid).status,
        Status::Delivered
    );
}
