//! The guided path: the button throws the switches of dev-phone and of the texter.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, http::StatusCode, routing::post};

use crate::doubles::{Texter, button, press, request, shows};

type Thrown = Arc<Mutex<Vec<String>>>;

/// A dev-phone that records which switches were set, and is in airplane mode.
async fn phone() -> (String, Thrown) {
    let thrown = Thrown::default();
    let (set, reset) = (Arc::clone(&thrown), Arc::clone(&thrown));
    let router = Router::new()
        .route(
            "/switches",
            post(async move |body: String| set.lock().unwrap().push(body))
                .get(async || Json(serde_json::json!({ "airplane": true }))),
        )
        .route(
            "/switches/reset",
            post(async move || reset.lock().unwrap().push("reset".to_owned())),
        )
        .route("/down", post(async || StatusCode::ACCEPTED));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, thrown)
}

#[tokio::test]
async fn each_step_throws_its_switch_draws_a_number_and_says_what_to_watch_for() {
    let texter = Texter::start(0).await;
    let (phone, thrown) = phone().await;
    let pages = format!("button=http://localhost:9090 phone={phone}");
    // The phone's double also answers for the texter's switch.
    let variables = [("DEMO_PAGES", &*pages), ("TEXTER_URL", &*phone)];
    let button = button(&[&texter.url], &variables).await;
    for (step, switch, watch) in [
        (
            "twilio-error",
            "answer=server_error&times=1",
            "gets one text, not two",
        ),
        (
            "airplane-mode",
            "airplane=on",
            "that call is a webhook, too",
        ),
        ("texter-down", "reset", "The connection is refused"),
    ] {
        let answer = request(&button, "POST", &format!("/break/{step}"), &[]).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let place = answer.headers["location"].to_str().unwrap();
        assert!(place.ends_with(&format!("&broken={step}#watch")), "{place}");
        let last = thrown.lock().unwrap().pop().unwrap();
        assert!(last.contains(switch), "{step}: {last}");
        let shown = shows(&button, place.trim_end_matches("#watch"), watch).await;
        assert!(shown.contains("what to watch for"), "{shown}");
        assert!(shown.contains("The phone is in airplane mode."), "{shown}");
    }
    let right = request(&button, "POST", "/put-right", &[]).await;
    assert_eq!(
        (right.status, right.headers["location"].as_bytes()),
        (303, &b"/"[..])
    );
    assert_eq!(*thrown.lock().unwrap(), ["reset"]);
}

#[tokio::test]
async fn a_switch_that_is_not_thrown_is_said_and_draws_nothing() {
    let texter = Texter::start(0).await;
    let pages = "button=http://localhost:9090 phone=http://127.0.0.1:1";
    let button = button(&[&texter.url], &[("DEMO_PAGES", pages)]).await;
    let refused = request(&button, "POST", "/break/airplane-mode", &[]).await;
    assert_eq!(refused.status, 502);
    assert!(
        refused
            .text
            .contains("dev-phone did not accept the switch (it does not answer"),
        "{}",
        refused.text
    );
    assert!(!refused.text.contains("Last numbers"), "{}", refused.text);
    assert!(texter.received().is_empty());
}

#[tokio::test]
async fn without_a_dev_phone_there_is_nothing_to_break() {
    let texter = Texter::start(0).await;
    let button = button(&[&texter.url], &[]).await;
    let page = press(&button).await;
    let shown = shows(&button, &page, "Delivered to the texter").await;
    assert!(!shown.contains("Now break it"), "{shown}");
    for path in ["/break/texter-down", "/put-right"] {
        assert_eq!(
            request(&button, "POST", path, &[]).await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn another_web_site_breaks_nothing() {
    let texter = Texter::start(0).await;
    let (phone, thrown) = phone().await;
    let pages = format!("button=http://localhost:9090 phone={phone}");
    let button = button(&[&texter.url], &[("DEMO_PAGES", &pages)]).await;
    for path in ["/break/airplane-mode", "/put-right"] {
        let headers = [("sec-fetch-site", "cross-site")];
        assert_eq!(request(&button, "POST", path, &headers).await.status, 403);
    }
    assert!(thrown.lock().unwrap().is_empty());
}
