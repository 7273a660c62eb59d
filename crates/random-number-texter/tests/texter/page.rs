//! The page for people.

use http::StatusCode;

use crate::{rig::Rig, status::tell, twilio::Answer};

#[tokio::test]
async fn it_says_that_the_texter_is_up_and_what_was_texted_last() {
    let rig = Rig::new().await;
    let empty = rig.get("/").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.body.contains("Up and running"));
    assert!(empty.body.contains("None yet"));
    rig.draw("a", 641).await;
    tell(&rig, "delivered").await;
    rig.twilio.answer([Answer::Fail(400, 21211, "no number")]);
    rig.draw("b", 642).await;
    let page = rig.get("/").await.body;
    for shown in [
        "random number: 641",
        "delivered",
        "random number: 642",
        "21211",
        "1 of at most 100 texts",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(page.find("642") < page.find("641"), "the newest is first");
}

#[tokio::test]
async fn it_shows_no_phone_number_and_no_markup_of_others() {
    let rig = Rig::new().await;
    rig.post(r#"{"id":"<i>","event":"random_number:generate","data":"<script>x</script>"}"#)
        .await;
    let page = rig.get("/").await.body;
    assert!(
        !page.contains("<script>") && !page.contains("<i>"),
        "{page}"
    );
    assert!(
        !page.contains("555555") && !page.contains("500555"),
        "{page}"
    );
    assert!(page.contains("…00"));
}

#[tokio::test]
async fn its_styles_are_files_of_their_own() {
    let rig = Rig::new().await;
    for path in ["/assets/app.css", "/assets/texter.css"] {
        let style = rig.get(path).await;
        assert_eq!(style.status, StatusCode::OK);
        assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    }
}
