//! The page as a visitor without JavaScript sees it, and the live stream that a script reads.

use crate::doubles::{Live, Texter, button, press, request, settings, shows};
use random_number_button::{Button, random_number};

const CLAIM: &str = "Sent a text with this random number: 641";

#[tokio::test]
async fn the_page_has_the_talks_heading_and_button_and_nothing_else_before_a_press() {
    let button = button(&["http://127.0.0.1:1"], &[]).await;
    let page = request(&button, "GET", "/", &[]).await;
    assert_eq!(page.status, 200);
    assert!(
        page.text
            .contains("<h1>Send a Random Number in a Text Message</h1>")
    );
    assert!(
        page.text
            .contains("<button>Generate a Random Number and Text It!</button>")
    );
    assert!(!page.text.contains("Last numbers") && !page.text.contains("class=\"card journey\""));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!page.text.contains("<style") && !page.text.contains("style="));
}

#[test]
fn numbers_are_drawn_from_0_to_999() {
    let drawn: std::collections::BTreeSet<u16> = (0..20_000).map(|_| random_number()).collect();
    assert!(drawn.iter().all(|number| *number <= 999));
    // Missing one of the thousand in 20,000 draws has a chance of 2 in a million.
    assert_eq!(drawn.len(), 1_000);
}

#[tokio::test]
async fn a_press_sends_the_talks_body_to_every_endpoint() {
    let (first, second) = (Texter::start(0).await, Texter::start(0).await);
    let button = button(&[&first.url, &second.url], &[]).await;
    let page = press(&button).await;
    let event_id = page.strip_prefix("/?num=641&event=").unwrap();
    let second_host = second.url.trim_start_matches("http://");
    shows(&button, &page, &format!("Delivered to {second_host}")).await;
    shows(&button, &page, "Delivered to the texter").await;
    for endpoint in [first, second] {
        let (headers, body) = endpoint.received().remove(0);
        assert_eq!(
            body,
            format!(r#"{{"id":"{event_id}","event":"random_number:generate","data":641}}"#)
        );
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["webhook-id"], event_id);
        assert!(headers.contains_key("webhook-signature"));
    }
}

#[tokio::test]
async fn the_claim_comes_with_twilios_acceptance_live_and_on_reload() {
    let texter = Texter::start(0).await;
    texter.tells("waiting", "");
    let button = button(&[&texter.url], &[]).await;
    let page = press(&button).await;
    let mut live = Live::open(&button, &page).await;
    live.tells("Twilio has not accepted a text yet").await;
    let before = request(&button, "GET", &page, &[]).await.text;
    assert!(!before.contains(CLAIM), "{before}");

    texter.tells("queued", "");
    live.tells(CLAIM).await;
    let queued = shows(&button, &page, CLAIM).await;
    assert!(!queued.contains("delivered to the phone"), "{queued}");

    texter.tells("delivered", "");
    live.tells("It was delivered to the phone.").await;
    shows(&button, &page, "It was delivered to the phone.").await;
    shows(&button, "/", "Last numbers").await;
}

#[tokio::test]
async fn a_text_that_does_not_arrive_says_why_and_its_words_are_escaped() {
    let texter = Texter::start(0).await;
    texter.tells("undelivered", "<script>alert(1)</script>");
    let button = button(&[&texter.url], &[]).await;
    let page = press(&button).await;
    let shown = shows(&button, &page, "The text with 641 did not reach the phone.").await;
    assert!(!shown.contains("<script>alert"), "{shown}");
    assert!(shown.contains("&#60;script&#62;alert(1)"), "{shown}");
}

#[tokio::test]
async fn a_texter_that_took_the_number_and_made_no_text_is_quoted() {
    let texter = Texter::start(0).await;
    texter.answers(
        202,
        r#"{"status":"refused","reason":"The number has opted out."}"#,
    );
    let button = button(&[&texter.url], &[]).await;
    let page = press(&button).await;
    let shown = shows(&button, &page, "No text was sent for 641.").await;
    assert!(
        shown.contains("The texter says: The number has opted out."),
        "{shown}"
    );
    assert!(shown.contains("Nothing tries again"), "{shown}");
}

#[tokio::test]
async fn an_endpoint_that_knows_nothing_of_texts_is_not_made_a_texter() {
    let endpoint = Texter::start(0).await;
    let button = button(&[&endpoint.url], &[]).await;
    let page = press(&button).await;
    let shown = shows(
        &button,
        &page,
        "That endpoint does not report what becomes of texts",
    )
    .await;
    assert!(!shown.contains(CLAIM), "{shown}");
}

#[tokio::test]
async fn a_failed_attempt_is_told_with_its_reason_and_the_next_try() {
    let texter = Texter::start(0).await;
    texter.answers(503, r#"{"reason":"Twilio is too busy"}"#);
    let button = button(&[&texter.url], &[]).await;
    let page = press(&button).await;
    let shown = shows(&button, &page, "It tries again").await;
    assert!(
        shown.contains("641 is not texted yet: the texter answered 503"),
        "{shown}"
    );
    assert!(shown.contains("Twilio is too busy"), "{shown}");

    texter.tells("delivered", "");
    texter.answers(201, "{}");
    let shown = shows(&button, &page, "Attempt 2: answered 201").await;
    assert!(shown.contains("It was delivered to the phone."), "{shown}");
}

#[tokio::test]
async fn a_made_up_number_shows_nothing() {
    let texter = Texter::start(0).await;
    texter.tells("delivered", "");
    let button = button(&[&texter.url], &[]).await;
    let page = press(&button).await;
    shows(&button, &page, CLAIM).await;
    let event_id = page.strip_prefix("/?num=641&event=").unwrap();
    for made_up in [
        "/?num=640".to_owned(),
        "/?num=641&event=nonsense".to_owned(),
        format!("/?num=640&event={event_id}"),
        "/?num=%3Cscript%3E".to_owned(),
        "/?num=70000000".to_owned(),
    ] {
        let shown = request(&button, "GET", &made_up, &[]).await;
        assert_eq!(shown.status, 200, "{made_up}");
        assert!(!shown.text.contains("class=\"card journey\""), "{made_up}");
        assert!(!shown.text.contains("<script>alert"));
    }
}

#[tokio::test]
async fn too_many_presses_are_refused_with_the_wait_and_send_nothing() {
    let texter = Texter::start(0).await;
    let button = button(&[&texter.url], &[("PRESSES_PER_MINUTE", "2")]).await;
    for _ in 0..2 {
        let page = press(&button).await;
        shows(&button, &page, "Delivered to the texter").await;
    }
    let refused = request(&button, "POST", "/", &[]).await;
    assert_eq!(refused.status, 429);
    assert!(
        refused.text.contains("2 times within the last minute"),
        "{}",
        refused.text
    );
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(texter.received().len(), 2);
}

#[tokio::test]
async fn only_its_own_page_can_press_it() {
    let texter = Texter::start(0).await;
    let button = button(&[&texter.url], &[]).await;
    for headers in [
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ] {
        let refused = request(&button, "POST", "/", &headers).await;
        assert_eq!(refused.status, 403, "{headers:?}");
    }
    let own = [
        ("origin", "http://localhost:9090"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(request(&button, "POST", "/", &own).await.status, 303);
}

/// The page had news only from its next poll: browsers drop an event without data.
#[tokio::test]
async fn a_browser_passes_on_what_the_live_stream_says() {
    let button = button(&["http://127.0.0.1:1"], &[]).await;
    Live::open(&button, "/").await.hears().await;
}

#[tokio::test]
async fn a_stop_ends_the_live_pages() {
    let button = button(&["http://127.0.0.1:1"], &[]).await;
    let live = Live::open(&button, "/").await;
    button.stop_live();
    assert!(live.ends().await);
}

#[tokio::test]
async fn numbers_and_their_journeys_are_there_after_a_restart_and_the_retry_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("button.db").display().to_string();
    let texter = Texter::start(0).await;
    texter.answers(503, "");
    let before = Button::open(&settings(&[&texter.url], &store, &[]), || 641)
        .await
        .unwrap();
    let page = press(&before).await;
    shows(&before, &page, "Attempt 1: answered 503").await;
    before.shutdown(std::time::Duration::from_secs(10)).await;

    let after = Button::open(&settings(&[&texter.url], &store, &[]), || 7)
        .await
        .unwrap();
    shows(&after, &page, "Attempt 1: answered 503").await;
    texter.tells("delivered", "");
    texter.answers(201, "{}");
    shows(&after, &page, "It was delivered to the phone.").await;
    shows(&after, "/", ">641<").await;
    after.shutdown(std::time::Duration::from_secs(10)).await;
}

#[tokio::test]
async fn an_endpoint_that_is_not_listed_any_more_gets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("button.db").display().to_string();
    let (old, new) = (Texter::start(0).await, Texter::start(0).await);
    for (urls, draw) in [
        (vec![&*old.url], (|| 1) as fn() -> u16),
        (vec![&*new.url], || 2),
    ] {
        let button = Button::open(&settings(&urls, &store, &[]), draw)
            .await
            .unwrap();
        let page = press(&button).await;
        shows(&button, &page, "Delivered to the texter").await;
        button.shutdown(std::time::Duration::from_secs(10)).await;
    }
    assert_eq!((old.received().len(), new.received().len()), (1, 1));
}
