//! Every refusal has Twilio's status, code, words and link.

use serde_json::json;

use crate::desk::{Desk, FROM, GOOD, SID, TO, basic, encoded, messages};

type Form<'a> = Vec<(&'a str, &'a str)>;

#[tokio::test]
async fn a_text_that_cannot_be_sent_is_refused_with_its_code() {
    let desk = Desk::new();
    let long = "a".repeat(1601);
    let service = "MG00000000000000000000000000000000";
    let with = |changes: &[(&'static str, &'static str)]| {
        let mut form: Vec<(&str, &str)> = GOOD.to_vec();
        for (key, value) in changes {
            form.retain(|(name, _)| name != key);
            form.push((key, value));
        }
        form
    };
    let to = |number| with(&[("To", number)]);
    let from = |number| with(&[("From", number)]);
    let too_long = vec![("To", TO), ("From", FROM), ("Body", long.as_str())];
    let scheduled = |send_at| {
        with(&[
            ("MessagingServiceSid", service),
            ("ScheduleType", "fixed"),
            ("SendAt", send_at),
        ])
    };
    let mut much_media = GOOD.to_vec();
    much_media.extend([("MediaUrl", "https://example.com/a.png"); 11]);
    let cases: Vec<(Form<'_>, u16, u32, &str)> = vec![
        (vec![], 400, 21604, "A 'To' phone number is required."),
        (
            with(&[("From", "")]),
            400,
            21603,
            "A 'From' phone number is required.",
        ),
        (
            with(&[("Body", "")]),
            400,
            21602,
            "Message body is required.",
        ),
        (
            to("123"),
            400,
            21211,
            "The 'To' number 123 is not a valid phone number.",
        ),
        (
            to("+15005550001"),
            400,
            21211,
            "The 'To' number +15005550001 is not a valid phone number.",
        ),
        (
            to("+15005550002"),
            400,
            21612,
            "The 'To' phone number: +15005550002, is not currently reachable using the 'From' phone number: +15005550006 via SMS.",
        ),
        (
            to("+15005550003"),
            400,
            21408,
            "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: +15005550003.",
        ),
        (
            to("+15005550004"),
            400,
            21610,
            "Attempt to send to unsubscribed recipient",
        ),
        (
            to("+15005550009"),
            400,
            21614,
            "To number: +15005550009, is not a mobile number",
        ),
        (
            from("+15005550001"),
            400,
            21212,
            "The 'From' number +15005550001 is not a valid phone number, shortcode, or alphanumeric sender ID.",
        ),
        (
            from("No such sender!"),
            400,
            21212,
            "The 'From' number No such sender! is not a valid phone number, shortcode, or alphanumeric sender ID.",
        ),
        (
            from("+15005550007"),
            400,
            21606,
            "The From phone number +15005550007 is not a valid, SMS-capable inbound phone number or short code for your account.",
        ),
        (
            from("+14155550000"),
            400,
            21606,
            "The From phone number +14155550000 is not a valid, SMS-capable inbound phone number or short code for your account.",
        ),
        (from("+15005550008"), 429, 21611, "SMS queue is full."),
        (
            to(FROM),
            400,
            21266,
            "'To' and 'From' number cannot be the same: +15005550006",
        ),
        (
            too_long,
            400,
            21617,
            "The concatenated message body exceeds the 1600 character limit.",
        ),
        (
            with(&[("StatusCallback", "not a url")]),
            400,
            21609,
            "The StatusCallback URL not a url is not a valid URL.",
        ),
        (
            with(&[("StatusCallback", "ftp://localhost/")]),
            400,
            21609,
            "The StatusCallback URL ftp://localhost/ is not a valid URL.",
        ),
        (
            with(&[("MediaUrl", "picture.png")]),
            400,
            21620,
            "Invalid media URL(s)",
        ),
        (
            much_media,
            400,
            21623,
            "Number of media files exceeds allowed limit",
        ),
        (
            with(&[("MessagingServiceSid", "MG1")]),
            400,
            20001,
            "Invalid parameter MessagingServiceSid: it must be MG and 32 hexadecimal digits",
        ),
        (scheduled(""), 400, 35111, "SendAt timestamp is missing"),
        (
            scheduled("2023-08-24T05:06:44Z"),
            400,
            35114,
            "SendAt time must be between 300 seconds and 35 days (3024000 seconds) in the future, inclusive.",
        ),
        (
            scheduled("2023-09-28T05:01:46Z"),
            400,
            35114,
            "SendAt time must be between 300 seconds and 35 days (3024000 seconds) in the future, inclusive.",
        ),
    ];
    for (form, status, code, message) in cases {
        let answer = desk.create(&form).await;
        assert_eq!(answer.status, status, "{form:?}");
        assert_eq!(
            answer.json(),
            json!({
                "code": code,
                "message": message,
                "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
                "status": status,
            }),
            "{form:?}"
        );
    }
    assert!(desk.phone.messages().is_empty());
}

#[tokio::test]
async fn the_limits_themselves_are_allowed() {
    let desk = Desk::new();
    let body = "😀".repeat(1600);
    for form in [
        vec![("To", TO), ("From", FROM), ("Body", body.as_str())],
        vec![
            ("To", TO),
            ("MessagingServiceSid", "MG00000000000000000000000000000000"),
            ("Body", "x"),
            ("ScheduleType", "fixed"),
            ("SendAt", "2023-08-24T05:06:45Z"),
        ],
        vec![
            ("To", TO),
            ("From", FROM),
            ("Body", "x"),
            ("Unknown", "ignored"),
        ],
    ] {
        assert_eq!(desk.create(&form).await.status, 201);
    }
}

#[tokio::test]
async fn only_the_accounts_credentials_open_the_api() {
    let desk = Desk::new();
    let key = "SK00000000000000000000000000000000";
    let other = "AC11111111111111111111111111111111";
    for (authorization, status) in [
        (basic(SID, "dev-phone"), 200),
        (basic(key, "dev-phone"), 200),
        (basic(SID, "dev-phone ").replace("Basic", "basic"), 401),
        (basic(SID, ""), 401),
        (basic(other, "dev-phone"), 401),
        ("Basic !!!".to_owned(), 401),
        ("Bearer dev-phone".to_owned(), 401),
        (String::new(), 401),
    ] {
        let answer = desk
            .page(
                "GET",
                &messages(".json"),
                &[("authorization", &authorization)],
                "",
            )
            .await;
        assert_eq!(answer.status, status, "{authorization}");
        if status == 401 {
            assert_eq!(
                answer.json(),
                json!({
                    "code": 20003,
                    "detail": "Your AccountSid or AuthToken was incorrect.",
                    "message": "Authenticate",
                    "more_info": "https://www.twilio.com/docs/errors/20003",
                    "status": 401,
                })
            );
            assert_eq!(
                answer.headers["www-authenticate"],
                "Basic realm=\"Twilio API\""
            );
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let desk = Desk::new();
    let other = "/2010-04-01/Accounts/AC11111111111111111111111111111111/Messages.json";
    let unknown = messages("/SM99999999999999999999999999999999.json");
    let xml = messages("/SM00000000000000000000000000000001");
    let calls = format!("/2010-04-01/Accounts/{SID}/Calls.json");
    for path in [other, &unknown, &xml, &calls] {
        let answer = desk.call("GET", path, &[]).await;
        assert_eq!(answer.status, 404);
        assert_eq!(
            answer.json(),
            json!({
                "code": 20404,
                "message": format!("The requested resource {path} was not found"),
                "more_info": "https://www.twilio.com/docs/errors/20404",
                "status": 404,
            })
        );
    }
    let method = desk.call("PUT", &messages(".json"), &[]).await;
    assert_eq!(
        (method.status, &method.json()["code"]),
        (405, &json!(20004))
    );
}

#[tokio::test]
async fn a_body_too_large_to_be_a_text_is_refused() {
    let desk = Desk::new();
    let body = "a".repeat(70_000);
    let answer = desk
        .create(&[("To", TO), ("From", FROM), ("Body", &body)])
        .await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (400, &json!(21617))
    );
}

#[tokio::test]
async fn another_web_site_cannot_call_the_api_even_with_the_public_token() {
    let desk = Desk::new();
    let answer = desk
        .page(
            "POST",
            &messages(".json"),
            &[
                ("authorization", &basic(SID, "dev-phone")),
                ("origin", "https://evil.example"),
            ],
            &encoded(&GOOD),
        )
        .await;
    assert_eq!(answer.status, 403);
    assert!(desk.phone.messages().is_empty());
}
