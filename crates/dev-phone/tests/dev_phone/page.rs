//! The page, its live stream, its forms and who may use them.

use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::desk::{Desk, FROM, LIMIT, TO, encoded};

const EVIL: &str = "<script>alert(1)</script>\"'&";

#[tokio::test]
async fn the_page_shows_texts_with_state_and_segments_and_escapes_them() {
    let desk = Desk::new();
    desk.deliver(EVIL).await;
    desk.phone.reply(EVIL).await.unwrap();
    let page = desk.page("GET", "/", &[], "").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(page.headers.contains_key("content-security-policy"));
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    let escaped = "&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;";
    assert_eq!(page.text.matches(escaped).count(), 2, "{}", page.text);
    for part in [
        "delivered",
        "1 segment, GSM-7",
        "05:01",
        "Thursday, 24 August",
        "REPLY_URL",
    ] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
}

#[tokio::test]
async fn redacted_and_undelivered_texts_and_other_parties_are_named() {
    let desk = Desk::new();
    let sid = desk.deliver("secret").await;
    let path = crate::desk::messages(&format!("/{sid}.json"));
    desk.call("POST", &path, &[("Body", "")]).await;
    desk.phone
        .set_switches(desk.phone.switches().with([("airplane", "on")]).unwrap());
    desk.deliver("lost").await;
    desk.take(&[("To", "+15555550199"), ("From", "Weather"), ("Body", "x")])
        .await;
    let page = desk.page("GET", "/", &[], "").await.text;
    for part in [
        "The text was redacted.",
        "undelivered, 30003: Unreachable destination handset",
        "from Weather, to another phone, +15555550199",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("secret"));
}

#[tokio::test]
async fn an_account_of_ones_own_keeps_its_token_off_the_page() {
    let desk = Desk::with(|config| config.account.token = "planted-token".parse().unwrap());
    let page = desk.page("GET", "/", &[], "").await.text;
    assert!(!page.contains("planted-token"));
    assert!(page.contains("$SMS_TWILIO_TOKEN"));
}

#[tokio::test]
async fn texts_arrive_live_and_the_stream_ends_with_the_phone() {
    let desk = Desk::new();
    let request = http::Request::get("/events")
        .header("host", "localhost:9020")
        .body(axum::body::Body::empty())
        .unwrap();
    let response = desk.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let sid = desk.deliver("line one\nline two <b>").await;
    desk.page("POST", "/switches", &[], "airplane=on").await;
    let mut body = response.into_body();
    let mut stream = String::new();
    while !stream.contains("event: switches") {
        let frame = tokio::time::timeout(LIMIT, body.frame())
            .await
            .expect("an event comes in time")
            .expect("the stream goes on")
            .unwrap();
        stream.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    desk.phone.shutdown(LIMIT).await;
    tokio::time::timeout(LIMIT, body.collect())
        .await
        .expect("the stream ends")
        .unwrap();
    let events: Vec<(&str, String)> = stream
        .split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            (name.strip_prefix("event: ").unwrap(), data)
        })
        .collect();
    let texts: Vec<&String> = events
        .iter()
        .filter(|(name, _)| *name == "text")
        .map(|(_, html)| html)
        .collect();
    assert_eq!(texts.len(), 4, "queued, sending, sent, delivered: {stream}");
    for (html, state) in texts.iter().zip(["queued", "sending", "sent", "delivered"]) {
        assert!(html.contains(&format!(">{state}</span>")), "{html}");
        assert!(html.contains("line one\nline two &#60;b&#62;"), "{html}");
        assert!(html.contains(&sid), "{html}");
    }
    assert!(events.iter().any(|(name, _)| *name == "exchange"));
    let (_, switches) = events.iter().find(|(name, _)| *name == "switches").unwrap();
    assert!(switches.contains("\"airplane\":true"));
}

#[tokio::test]
async fn switches_are_thrown_by_form_and_by_json_and_read_back() {
    let desk = Desk::new();
    let form = encoded(&[
        ("answer", "too_many_requests"),
        ("times", "3"),
        ("airplane", "off"),
        ("airplane", "on"),
        ("delivery_error", "30005"),
        ("slow_seconds", "0"),
    ]);
    let html = [("accept", "text/html,*/*;q=0.8")];
    let sent = desk.page("POST", "/switches", &html, &form).await;
    assert_eq!(
        (sent.status, sent.headers["location"].to_str().unwrap()),
        (303, "/")
    );
    let expected = json!({
        "airplane": true,
        "delivery_error": 30005,
        "slow_seconds": 0,
        "answer": "too_many_requests",
        "times": 3,
    });
    assert_eq!(
        desk.page("GET", "/switches", &[], "").await.json(),
        expected
    );
    let sent = desk
        .page(
            "POST",
            "/switches",
            &[("content-type", "application/json")],
            "{\"airplane\": false, \"times\": null}",
        )
        .await;
    assert_eq!(sent.status, 200);
    assert_eq!(sent.json()["airplane"], false);
    assert_eq!(sent.json()["times"], serde_json::Value::Null);
    assert_eq!(sent.json()["answer"], "too_many_requests");
    let reset = desk.page("POST", "/switches/reset", &[], "").await.json();
    assert_eq!(reset["answer"], "accept");
    assert_eq!(reset["airplane"], false);
}

#[tokio::test]
async fn wrong_settings_change_nothing_and_are_named() {
    let desk = Desk::new();
    let json = [("content-type", "application/json")];
    for (headers, body, named) in [
        (&[][..], "airplane=on&volume=11", "volume"),
        (&json[..], "{\"answer\": \"explode\"}", "answer"),
        (&json[..], "[1]", "JSON object"),
        (&json[..], "{\"times\": [1]}", "times"),
    ] {
        let answer = desk.page("POST", "/switches", headers, body).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(answer.text.contains(named), "{}", answer.text);
    }
    assert_eq!(desk.phone.switches(), dev_phone::Switches::default());
}

#[tokio::test]
async fn a_reply_is_written_by_form_and_by_program() {
    let desk = Desk::new();
    let html = [
        ("accept", "text/html"),
        ("sec-fetch-site", "same-origin"),
        ("origin", "http://localhost:9020"),
    ];
    let sent = desk.page("POST", "/reply", &html, "body=one").await;
    assert_eq!(sent.status, 303);
    let json = [("content-type", "application/json")];
    let sent = desk
        .page("POST", "/reply", &json, "{\"body\": \"two\"}")
        .await;
    assert_eq!(sent.json()["delivered"], false);
    assert!(sent.json()["note"].as_str().unwrap().contains("REPLY_URL"));
    let texts = desk.phone.messages();
    let bodies: Vec<_> = texts.iter().map(|text| text.body.as_str()).collect();
    assert_eq!(bodies, ["one", "two"]);
    let empty = desk.page("POST", "/reply", &[], "body=").await;
    assert_eq!(empty.status, 422);
}

#[tokio::test]
async fn other_sites_and_foreign_names_are_kept_out() {
    let desk = Desk::new();
    for path in ["/reply", "/switches", "/switches/reset"] {
        for headers in [
            [("origin", "https://evil.example")],
            [("origin", "null")],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
        ] {
            let answer = desk
                .page("POST", path, &headers, "body=x&airplane=on")
                .await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
        }
    }
    for path in ["/", "/events", "/switches"] {
        let request = http::Request::get(path)
            .header("host", "rebound.evil.example:9020")
            .body(axum::body::Body::empty())
            .unwrap();
        assert_eq!(desk.send(request).await.status, 421, "{path}");
    }
    let named = Desk::with(|config| config.names = vec!["dev-phone".to_owned()]);
    let request = http::Request::get("/switches")
        .header("host", "dev-phone:9020")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(named.send(request).await.status, 200);
    assert!(desk.phone.messages().is_empty());
    assert_eq!(desk.phone.switches(), dev_phone::Switches::default());
}

#[tokio::test]
async fn the_switches_decide_what_a_request_to_send_gets() {
    let desk = Desk::new();
    let form = [("To", TO), ("From", FROM), ("Body", "x")];
    for (answer, status, code) in [
        ("too_many_requests", 429, 20429),
        ("queue_full", 429, 21611),
        ("server_error", 500, 20500),
    ] {
        let body = encoded(&[("answer", answer), ("times", "2")]);
        desk.page("POST", "/switches", &[], &body).await;
        for _ in 0..2 {
            let refused = desk.create(&form).await;
            assert_eq!(refused.status, status);
            assert_eq!(refused.json()["code"], code);
            assert_eq!(refused.json()["status"], status);
        }
        assert!(desk.phone.messages().is_empty());
    }
    assert_eq!(desk.create(&form).await.status, 201);
}

#[tokio::test]
async fn assets_are_served_and_nothing_is_inline() {
    let desk = Desk::new();
    let page = desk.page("GET", "/", &[], "").await.text;
    let mut named = page.split('"').filter(|part| part.starts_with("/assets/"));
    let (folder, _) = named.next().unwrap().rsplit_once('/').unwrap();
    for (name, kind) in [
        ("app.css", "text/css; charset=utf-8"),
        ("phone.css", "text/css; charset=utf-8"),
        ("phone.js", "text/javascript; charset=utf-8"),
    ] {
        let path = format!("{folder}/{name}");
        assert!(page.contains(&format!("\"{path}\"")), "{path}");
        let asset = desk.page("GET", &path, &[], "").await;
        assert_eq!(asset.status, 200);
        assert_eq!(asset.headers["content-type"], kind);
    }
    for inline in ["<style", " style=", " onclick=", "<script>"] {
        assert!(!page.contains(inline), "{inline}");
    }
}
