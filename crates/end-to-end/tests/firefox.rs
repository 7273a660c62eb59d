//! The main flows once in Firefox, with geckodriver: `scripts/test --all` installs both.

use end_to_end::{Browser, Chain, Window};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/test --all runs it"]
async fn a_press_is_texted_shown_and_sent_again_in_firefox() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let browser = Browser::open_firefox(Window::DESKTOP).await?;
    browser.goto(&chain.button_url).await?;
    browser.click("#press button").await?;
    browser
        .reads("#journey", "It was delivered to the phone.")
        .await?;
    browser.goto(&chain.phone.url).await?;
    browser.reads("#thread", "Here's a random number").await?;

    browser.goto(&chain.polis_page_url).await?;
    browser.reads("#live", "live").await?;
    browser.reads("#rows", "sig ok").await?;
    browser.keys("j").await?;
    browser.reads("#detail h2", "#1 POST").await?;
    browser.reads("#view", "random_number:generate").await?;
    browser.click("#again summary").await?;
    browser.click("#replay button").await?;
    browser.reads("#replayed", "answered 200").await?;
    browser.reads("#rows", "#2").await?;
    browser.click("#search").await?;
    browser.keys("nothing like it").await?;
    browser.reads("#rows", "Nothing that is kept fits").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/test --all runs it"]
async fn eight_tabs_of_polis_are_live_in_firefox() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let browser = Browser::open_firefox(Window::DESKTOP).await?;
    for tab in 0..8 {
        if tab > 0 {
            let window = browser.client.new_window(false).await?;
            browser.client.switch_to_window(window.handle).await?;
        }
        browser.goto(&chain.polis_page_url).await?;
        browser.reads("#live", "live").await?;
    }
    chain.press().await?;
    for window in browser.client.windows().await? {
        browser.client.switch_to_window(window).await?;
        browser.reads("#rows", "random_number:generate").await?;
    }
    browser.close().await
}
