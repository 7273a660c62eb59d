//! Parts of the chain are down for a while: the page says so, and the text arrives once.

use end_to_end::Chain;

#[tokio::test(flavor = "multi_thread")]
async fn a_texter_that_is_down_is_told_with_the_next_try_and_texts_once_when_it_is_back()
-> anyhow::Result<()> {
    let mut chain = Chain::without_texter().await?;
    let journey = chain.press().await?;
    let page = chain
        .page_says(&journey, &["is not texted yet", "It tries again"])
        .await?;
    assert!(
        page.contains("the texter can't be reached (connection refused)"),
        "{page}"
    );
    assert!(!page.contains("Sent a text"), "{page}");

    chain.start_texter().await?;
    chain
        .page_says(&journey, &["Sent a text", "It was delivered to the phone."])
        .await?;
    assert_eq!(
        chain.phone.bodies().await?,
        [format!("Here's a random number: {}", journey.number)]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_that_crashes_in_mid_retry_goes_on_and_its_page_still_shows_the_number()
-> anyhow::Result<()> {
    let mut chain = Chain::without_texter().await?;
    let journey = chain.press().await?;
    chain
        .page_says(&journey, &["Attempt 1: connection refused"])
        .await?;
    chain.kill_button().await?;
    chain.start_button().await?;
    chain
        .page_says(
            &journey,
            &["is not texted yet", "Attempt 1: connection refused"],
        )
        .await?;

    chain.start_texter().await?;
    chain
        .page_says(&journey, &["Sent a text", "It was delivered to the phone."])
        .await?;
    assert_eq!(
        chain.phone.bodies().await?,
        [format!("Here's a random number: {}", journey.number)]
    );

    // The text's fate is asked again by a button that starts after it.
    chain.kill_button().await?;
    chain.start_button().await?;
    chain
        .page_says(&journey, &["Sent a text", "It was delivered to the phone."])
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_too_busy_three_times_makes_one_text() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    chain
        .phone
        .switch(&[("answer", "too_many_requests"), ("times", "3")])
        .await?;
    let journey = chain.press().await?;
    chain
        .page_says(&journey, &["Sent a text", "It was delivered to the phone."])
        .await?;
    assert_eq!(
        chain.phone.bodies().await?,
        [format!("Here's a random number: {}", journey.number)]
    );
    Ok(())
}
