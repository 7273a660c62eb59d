//! What is said of a request without a signature: `..x=1` is no string that anybody signed.

use polis::{Listener, Preset, SigningSecret, Verification};

use crate::{
    reads::post,
    run::{SECRET, polis},
};

#[tokio::test]
async fn without_a_signature_header_no_signed_string_is_shown() {
    let listener = Listener::start().await.unwrap();
    listener.verify(Verification {
        preset: Preset::Standard,
        secrets: vec![SigningSecret::new(SECRET, Preset::Standard).unwrap()],
        old_secrets: Vec::new(),
        public_url: None,
        enforce: false,
    });
    post(&listener, "/", &[], b"x=1").await;
    listener.wait_for(1).await.unwrap();
    let shown = polis(&["show", "1"]).at(&listener).end().await;
    let verified = polis(&["verify", "--provider=standard"])
        .variable("POLIS_SECRETS", SECRET)
        .stdin(b"x=1")
        .end()
        .await;
    let page = reqwest::get(format!("{}/requests/1", listener.page_url()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for text in [shown.text(0), verified.text(1), &page] {
        assert!(!text.contains("..x=1"), "{text}");
        assert!(text.contains("there is no signed string"), "{text}");
    }
    // A browser that finds no icon in the page asks for one, and logs that there is none.
    assert!(
        page.contains("<link rel=\"icon\" href=\"/assets/") && page.contains("/icon.svg\""),
        "{page}"
    );
}
