//! Twelve open tabs of each live page: every one loads, and every one says what is new.
//!
//! A browser makes six connections to a host. With a stream in each tab the seventh never loaded.

use anyhow::{Context, ensure};
use end_to_end::{Browser, Chain, PATIENCE, Window};

const TABS: usize = 12;

/// The button's page also asks by itself, once in an interval. This one is longer than any wait here, so that only the
/// stream can tell what is new.
const HARDLY_EVER: &str = "&poll=300";

/// Opens `url` twelve times.
async fn twelve(url: &str) -> anyhow::Result<Browser> {
    windows(&[url; TABS]).await
}

/// Opens each URL. Separate windows are all seen, so that none lets its stream go.
async fn windows(urls: &[&str]) -> anyhow::Result<Browser> {
    let browser = Browser::open(Window::DESKTOP).await?;
    for (tab, url) in (1..).zip(urls) {
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
    let browser = twelve(&(chain.press().await?.url + HARDLY_EVER)).await?;
    let next = chain.press().await?;
    all_read(&browser, "#history", &next.number.to_string()).await?;
    browser.close().await
}

/// Each has a stream of its own to show, unless they share one.
#[tokio::test(flavor = "multi_thread")]
async fn twelve_windows_on_twelve_numbers_are_live() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let mut numbers = Vec::new();
    for _ in 0..TABS {
        numbers.push(chain.press().await?.url + HARDLY_EVER);
    }
    let urls: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let browser = windows(&urls).await?;
    let next = chain.press().await?;
    all_read(&browser, "#history", &next.number.to_string()).await?;
    all_read(&browser, "#journey", "It was delivered to the phone.").await?;
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

#[tokio::test(flavor = "multi_thread")]
async fn twelve_tabs_of_polis_are_live_and_can_be_used() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    chain.press().await?;
    let browser = twelve(&chain.polis_page_url).await?;
    chain.press().await?;
    all_read(&browser, "#rows", "#2").await?;
    for window in browser.client.windows().await? {
        browser.client.switch_to_window(window).await?;
        browser.click("#rows > li:last-child a").await?;
        browser.reads("#detail h2", "#1").await?;
    }
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_tab_lets_its_stream_go_and_catches_up_when_it_is_seen() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    browser.goto(&chain.polis_page_url).await?;
    browser.reads("#live", "live").await?;
    let see = async |hidden: bool| {
        let script = format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
             document.dispatchEvent(new Event('visibilitychange'));"
        );
        browser.script(&script).await
    };
    see(true).await?;
    // Whoever holds the lock has the stream.
    let held = browser
        .script("return navigator.locks.query().then((locks) => locks.held.length)")
        .await?;
    ensure!(held == 0, "{held} streams are held");
    chain.press().await?;
    see(false).await?;
    browser.reads("#rows", "random_number:generate").await?;
    browser.close().await
}
