//! The picture in `docs/`, made of the real page, and the same page in other sizes to look at.

use std::{path::Path, time::Duration};

use end_to_end::{Browser, Window};

use crate::scene::{OLD_SECRET, Sent, client, rule, verifying};

/// Between the attempts, so that the picture's gaps grow as a sender's do.
const GAPS: [Duration; 2] = [Duration::from_millis(900), Duration::from_millis(2300)];

/// Shows the page with what a morning of debugging leaves, in two sizes, light and dark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes docs/polis.png; run it after the page's look has changed"]
async fn the_picture_of_the_page_is_made() {
    let listener = verifying().await;
    listener.answer(rule(r#"{"respond":"200"}"#)).unwrap();
    client()
        .post(listener.url() + "/in/twilio/status?MessageSid=SM17")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("MessageSid=SM17&MessageStatus=delivered&To=%2B15005550006")
        .send()
        .await
        .unwrap();
    client()
        .get(listener.url() + "/health")
        .send()
        .await
        .unwrap();
    Sent::number("msg_2Yk0b", 17).to(&listener).await;
    let old = Sent {
        secret: OLD_SECRET,
        ..Sent::number("msg_2Yk1f", 404)
    };
    old.to(&listener).await;
    let late = Sent {
        age_s: 412,
        ..Sent::number("msg_2Yk2q", 7)
    };
    late.to(&listener).await;
    listener
        .answer(rule(r#"{"respond":"500x2,200","retry_after":1}"#))
        .unwrap();
    let retried = Sent::number("msg_2Yk3c", 863);
    retried.to(&listener).await;
    for gap in GAPS {
        tokio::time::sleep(gap).await;
        retried.to(&listener).await;
    }
    let reserialised = Sent {
        changed: Some(
            "{\n  \"id\": \"msg_2Yk4z\",\n  \"event\": \"random_number:generate\",\n  \"data\": 42\n}".into(),
        ),
        ..Sent::number("msg_2Yk4z", 42)
    };
    reserialised.to(&listener).await;

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let elsewhere = std::env::temp_dir().join("polis-pictures");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let pages = [
        ("list", "/"),
        ("attempt", "/requests/8"),
        ("signature", "/requests/9"),
        ("diff", "/requests/9?with=8"),
        ("rules", "/rules"),
        ("empty", "/?q=863"),
    ];
    for (size, window) in [("desktop", Window::DESKTOP), ("phone", Window::PHONE)] {
        for (tone, window) in [("light", window), ("dark", window.dark())] {
            let browser = Browser::open(window).await.unwrap();
            for (name, path) in pages {
                browser.goto(&(listener.page_url() + path)).await.unwrap();
                let png = browser.picture().await.unwrap();
                std::fs::write(elsewhere.join(format!("{name}-{size}-{tone}.png")), &png).unwrap();
            }
            browser.close().await.unwrap();
        }
    }
    // Smaller, so that the README stays light.
    let browser = Browser::open(Window {
        width: 1060,
        height: 640,
        dark: false,
        pixel_ratio: 1.5,
    })
    .await
    .unwrap();
    browser
        .goto(&(listener.page_url() + "/requests/8"))
        .await
        .unwrap();
    browser.reads("#live", "live").await.unwrap();
    let png = browser.picture().await.unwrap();
    assert!(png.len() < 300_000, "the picture is {} bytes", png.len());
    std::fs::write(docs.join("polis.png"), &png).unwrap();
    browser.close().await.unwrap();
}
