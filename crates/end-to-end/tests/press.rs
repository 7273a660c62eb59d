//! A press becomes a text, and the page says so: in a browser, by curl, and by the talk's call.

use anyhow::Context;
use end_to_end::{Browser, Chain, Journey, PATIENCE, Window, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_press_in_a_browser_is_texted_and_the_page_says_so_without_a_reload() -> anyhow::Result<()>
{
    let chain = Chain::start().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    browser.goto(&chain.button_url).await?;
    assert_eq!(
        browser.text("h1").await?,
        "Send a Random Number in a Text Message"
    );
    assert_eq!(
        browser.text("form button").await?,
        "Generate a Random Number and Text It!"
    );
    browser.click("form button").await?;
    until("the number's page", PATIENCE, || async {
        Journey::at(&chain.button_url, &browser.address().await?)
    })
    .await?;

    browser
        .reads(".journey", "It was delivered to the phone.")
        .await?;
    let journey = Journey::at(&chain.button_url, &browser.address().await?)?;
    assert_eq!(
        browser.text("#headline").await?,
        format!("Sent a text with this random number: {}", journey.number)
    );
    // What is read out: these sentences, and not the headers that can be unfolded below them.
    let said = browser
        .script("return document.getElementById('news').textContent")
        .await?;
    let (number, arrived) = (journey.number, "It was delivered to the phone.");
    let sentences = format!("Sent a text with this random number: {number} {arrived}");
    assert_eq!(said, sentences);
    assert_eq!(browser.text(".number").await?, number.to_string());
    assert!(browser.text("#history").await?.contains("delivered"));
    assert_eq!(
        chain.phone.bodies().await?,
        [format!("Here's a random number: {}", journey.number)]
    );

    browser.goto(&chain.phone.url).await?;
    browser
        .reads(
            "body",
            &format!("Here's a random number: {}", journey.number),
        )
        .await?;
    until("the event in polis's log", PATIENCE, || async {
        chain
            .polis_log()
            .contains(&journey.event_id)
            .then_some(())
            .context(chain.polis_log())
    })
    .await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_by_a_program_tells_the_same_on_reload() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let journey = chain.press().await?;
    let page = chain
        .page_says(&journey, &["It was delivered to the phone."])
        .await?;
    let claim = format!("Sent a text with this random number: {}", journey.number);
    assert!(page.contains(&claim), "{page}");
    assert_eq!(
        chain.phone.bodies().await?,
        [format!("Here's a random number: {}", journey.number)]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_a_phone_and_works_by_keyboard_alone() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    for window in [Window::PHONE, Window::PHONE.dark()] {
        let browser = Browser::open(window).await?;
        browser.goto(&chain.button_url).await?;
        // The first stop of the Tab key is the button; Enter presses it.
        browser.keys("\u{e004}\u{e007}").await?;
        browser
            .reads(".journey", "It was delivered to the phone.")
            .await?;
        let wider = "return document.documentElement.scrollWidth - window.innerWidth";
        let wider = browser.client.execute(wider, Vec::new()).await?;
        assert!(wider.as_i64().is_some_and(|pixels| pixels <= 0), "{wider}");
        let said = browser.client.execute(
            "return document.querySelector('[role=status]').textContent",
            Vec::new(),
        );
        let said = said.await?;
        assert!(
            said.as_str()
                .is_some_and(|said| said.contains("It was delivered to the phone.")),
            "a screen reader is told: {said}"
        );
        browser.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_number_shows_nothing() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let drawn = chain.press().await?;
    chain.page_says(&drawn, &["Sent a text"]).await?;
    for (number, event_id) in [
        ((drawn.number + 1) % 1000, drawn.event_id.as_str()),
        (drawn.number, "0198c0de-0000-7000-8000-000000000000"),
    ] {
        let made_up = Journey {
            number,
            event_id: event_id.to_owned(),
            url: format!("{}/?num={number}&event={event_id}", chain.button_url),
        };
        let page = chain.page(&made_up).await?;
        assert!(!page.contains("Sent a text"), "{page}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_talks_own_call_texts_2048() -> anyhow::Result<()> {
    // The talk's receiver has no secret, so that anybody's curl may call it.
    let chain = Chain::start_unsigned().await?;
    let output = tokio::process::Command::new("curl")
        .args([
            "-sS",
            "-i",
            "-X",
            "POST",
            "-H",
            "Content-Type: application/json",
            "-d",
        ])
        .arg(r#"{"id":"first","event":"random_number:generate","data":2048}"#)
        .arg(&chain.texter_url)
        .output()
        .await
        .context("curl can't be started; scripts/test installs it")?;
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(
        answer.contains(r#"{"id":"first","event":"random_number:generate","data":2048}"#),
        "{answer}"
    );
    assert_eq!(
        chain.phone.bodies().await?,
        ["Here's a random number: 2048"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_can_not_press_the_button() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let client = reqwest::Client::new();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let press = client.post(&chain.button_url).header(name, value);
        assert_eq!(press.send().await?.status(), 403, "{name}: {value}");
    }
    let page = client.get(&chain.button_url).send().await?;
    let policy = page.headers()["content-security-policy"].to_str()?;
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!page.text().await?.contains("Last numbers"));
    assert!(chain.phone.bodies().await?.is_empty());
    Ok(())
}
