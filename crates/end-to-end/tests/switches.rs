//! Every failure switch of the phone makes an honest, understandable journey on the button's page.

use end_to_end::{Chain, Journey};

const CLAIM: &str = "Sent a text with this random number";
const ON_THE_PHONE: &str = "It was delivered to the phone.";

/// Presses with `switches` set, waits until the page has all of `parts`, and returns its text.
async fn pressed_with(
    chain: &Chain,
    switches: &[(&str, &str)],
    parts: &[&str],
) -> anyhow::Result<(Journey, String)> {
    chain.phone.switch(switches).await?;
    let journey = chain.press().await?;
    let page = chain.page_says(&journey, parts).await?;
    Ok((journey, page))
}

/// Sets everything right again: the text arrives, once.
async fn put_right(chain: &Chain, journey: &Journey) -> anyhow::Result<()> {
    chain.phone.switch(&[("answer", "accept")]).await?;
    chain.page_says(journey, &[CLAIM, ON_THE_PHONE]).await?;
    assert_eq!(
        chain.phone.bodies().await?,
        [format!("Here's a random number: {}", journey.number)]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn airplane_mode_is_a_text_that_did_not_reach_the_phone() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    for (code, reason) in [
        ("30003", "Unreachable destination handset"),
        ("30007", "Carrier violation"),
    ] {
        let (_, page) = pressed_with(
            &chain,
            &[("airplane", "on"), ("delivery_error", code)],
            &["did not reach the phone", code],
        )
        .await?;
        assert!(page.contains(reason), "{page}");
        assert!(page.contains("Nothing tries again"), "{page}");
        assert!(!page.contains(ON_THE_PHONE), "{page}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_twilio_is_waited_for_and_nothing_is_claimed_meanwhile() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    chain.phone.switch(&[("slow_seconds", "2")]).await?;
    let journey = chain.press().await?;
    let page = chain.page(&journey).await?;
    assert!(!page.contains(CLAIM), "{page}");
    chain.phone.switch(&[("slow_seconds", "0")]).await?;
    chain.page_says(&journey, &[CLAIM, ON_THE_PHONE]).await?;
    assert_eq!(chain.phone.bodies().await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn twilios_429_is_told_and_tried_again() -> anyhow::Result<()> {
    for answer in ["too_many_requests", "queue_full"] {
        let chain = Chain::start().await?;
        let (journey, page) = pressed_with(
            &chain,
            &[("answer", answer)],
            &["is not texted yet", "It tries again"],
        )
        .await?;
        assert!(page.contains("the texter answered 503"), "{page}");
        assert!(!page.contains(CLAIM), "{page}");
        put_right(&chain, &journey).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn twilios_500_is_told_and_tried_again() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let (journey, page) = pressed_with(
        &chain,
        &[("answer", "server_error")],
        &["the texter answered 503", "It tries again"],
    )
    .await?;
    assert!(!page.contains(CLAIM), "{page}");
    put_right(&chain, &journey).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_leaves_it_open_whether_there_is_a_text() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let (_, page) = pressed_with(
        &chain,
        &[("answer", "drop"), ("times", "1")],
        &["known", "whether"],
    )
    .await?;
    assert!(!page.contains(CLAIM), "{page}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_twilio_took_before_the_connection_dropped_is_not_sent_twice()
-> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let (journey, _) = pressed_with(
        &chain,
        &[("answer", "accept_then_drop"), ("times", "1")],
        &[CLAIM, ON_THE_PHONE],
    )
    .await?;
    assert_eq!(
        chain.phone.bodies().await?,
        [format!("Here's a random number: {}", journey.number)]
    );
    Ok(())
}
