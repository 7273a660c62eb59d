//! Twelve open tabs of each live page: every one loads, and every one says what is new.
//!
//! A browser makes six connections to a host. With a stream in each tab the seventh never loaded.

use anyhow::{Context, ensure};
use end_to_end::{Browser, Chain, PATIENCE, Window};

const TABS: usize = 12;

/// Opens `url` twelve times. Separate windows are all seen, so that none lets its stream go.
async fn twelve(url: &str) -> anyhow::Result<Browser> {
    let browser = Browser::open(Window::DESKTOP).await?;
    for tab in 1..=TABS {
        if tab > 1 {
            let window = browser.client.new_window(false).await?;
            browser.client.switch_to_window(window.handle).await?;
        }
        tokio::time::timeout(PATIENCE, browser.goto(url))
            .await
            .with_context(|| format!("tab {tab} of {url} does not load"))??;
        let hidden = browser.script("return document.hidden").await?;
        ensure!(hidden == false, "tab {tab} is not seen");
    }
    Ok(browser)
}

/// Waits in every tab until the element that `selector` finds has `part`.
async fn all_read(browser: &Browser, selector: &str, part: &str) -> anyhow::Result<()> {
    for (tab, window) in browser.client.windows().await?.into_iter().enumerate() {
        browser.client.switch_to_window(window).await?;
        browser
            .reads(selector, part)
            .await
            .with_context(|| format!("tab {}", tab + 1))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_tabs_of_the_button_are_live() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let browser = twelve(&chain.press().await?.url).await?;
    let next = chain.press().await?;
    all_read(&browser, "#history", &next.number.to_string()).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_tabs_of_the_phone_are_live() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let browser = twelve(&chain.phone.url).await?;
    let text = format!("Here's a random number: {}", chain.press().await?.number);
    all_read(&browser, "#thread", &text).await?;
    browser.close().await
}
