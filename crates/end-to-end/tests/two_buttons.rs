//! Two buttons on one database: one is killed in the middle of sending, and the other goes on with what
//! it held.

use anyhow::{Context, bail};
use end_to_end::{Browser, Demo, Journey, PATIENCE, Phone, Window, until};

const KILL: &str = "form[action='/break/button-killed'] button";
const OTHER: &str = "#buttons dl > div:last-child dd";

/// How often a number was texted.
async fn texts(phone: &Phone, journey: &Journey) -> anyhow::Result<usize> {
    let text = format!("Here's a random number: {}", journey.number);
    let bodies = phone.bodies().await?;
    Ok(bodies.iter().filter(|body| **body == text).count())
}

/// Kills the other button from the page at `here`, and watches the takeover there.
async fn kill_the_other(browser: &Browser, here: &str, phone: &Phone) -> anyhow::Result<()> {
    browser.goto(here).await?;
    browser.reads(OTHER, "is alive").await?;
    browser.click(KILL).await?;
    browser
        .reads("#watch", "takes over its deliveries, and sends them")
        .await?;
    browser.reads(OTHER, "has not been heard from for").await?;
    browser.reads(OTHER, "holds 1").await?;
    let wider = "return document.documentElement.scrollWidth - window.innerWidth";
    let wider = browser.script(wider).await?;
    assert!(wider.as_i64().is_some_and(|pixels| pixels <= 0), "{wider}");
    browser.reads(OTHER, "is gone").await?;
    browser
        .reads(".journey", "It was delivered to the phone.")
        .await?;
    let journey = Journey::at(here, &browser.address().await?)?;
    // A second one would be there by the time the page says so.
    assert_eq!(texts(phone, &journey).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_that_is_killed_is_outlived_by_what_it_was_to_send() -> anyhow::Result<()> {
    let demo = Demo::start(&["--no-build", "--postgres"], &[])?;
    demo.is_up().await?;
    let (button, twin) = (demo.button_url(), demo.twin_url());
    let output = demo.script.output();
    assert!(output.contains(&format!("{button} and {twin}")), "{output}");
    let phone = demo.phone();

    let browser = Browser::open(Window::DESKTOP).await?;
    browser.goto(&button).await?;
    browser.click("#press button").await?;
    browser
        .reads(".journey", "It was delivered to the phone.")
        .await?;
    kill_the_other(&browser, &button, &phone).await?;
    // Nobody is there to be killed until it is started again.
    browser.goto(&button).await?;
    browser.click(KILL).await?;
    browser.reads(".notice", "it does not answer").await?;
    browser.reads(OTHER, "is alive").await?;
    browser.close().await?;

    // The one that was started again knows both numbers, links the other, and can kill it in turn.
    let browser = Browser::open(Window::PHONE.dark()).await?;
    until("both numbers", PATIENCE, || async {
        browser.goto(&twin).await?;
        let shown = browser.script("return document.querySelectorAll('.history li').length");
        match shown.await?.as_u64() {
            Some(2) => Ok(()),
            other => bail!("{other:?} numbers"),
        }
    })
    .await?;
    let linked = browser
        .script("return document.querySelector('.pages a:not([aria-current])').origin")
        .await?;
    assert_eq!(linked.as_str().context("a link")?, button);
    browser.click("#press button").await?;
    browser
        .reads(".journey", "It was delivered to the phone.")
        .await?;
    kill_the_other(&browser, &twin, &phone).await?;
    browser.close().await
}

/// The demo found the numbers of another one where it ran beside tests that share a server.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_two_buttons_is_their_own() -> anyhow::Result<()> {
    let nobody = "postgres://postgres@127.0.0.1:1/postgres".to_owned();
    let given = [("WEBHOOKS_TEST_POSTGRES", nobody)];
    let demo = Demo::start(&["--no-build", "--postgres"], &given)?;
    demo.is_up().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_and_no_stranger_kills_a_button() -> anyhow::Result<()> {
    let demo = Demo::start(&["--no-build", "--postgres"], &[])?;
    demo.is_up().await?;
    let client = reqwest::Client::new();
    let end = format!("{}/twin/end", demo.twin_url());
    for secret in ["", "guessed"] {
        let asked = client.post(&end).header("x-demo-twin", secret).send();
        assert_eq!(asked.await?.status(), 404);
    }
    let kill = format!("{}/break/button-killed", demo.button_url());
    let cross_site = client.post(&kill).header("sec-fetch-site", "cross-site");
    assert_eq!(cross_site.send().await?.status(), 403);
    let still_there = client.get(demo.twin_url()).send().await?;
    assert_eq!(still_there.status(), 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_button_alone_has_nobody_to_kill() -> anyhow::Result<()> {
    let demo = Demo::up().await?;
    let client = reqwest::Client::new();
    let page = client.post(demo.button_url()).send().await?.text().await?;
    assert!(page.contains("Now break it"), "{page}");
    assert!(!page.contains("A button is killed"), "{page}");
    for path in ["/break/button-killed", "/twin/end"] {
        let asked = client.post(format!("{}{path}", demo.button_url())).send();
        assert_eq!(asked.await?.status(), 404, "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_of_postgres_the_demo_says_what_to_install() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let missing = folder.path().join("missing").display().to_string();
    let variables = [("WEBHOOKS_POSTGRES_BIN", missing)];
    let mut demo = Demo::start(&["--no-build", "--postgres"], &variables)?;
    assert_eq!(demo.script.ended().await?, Some(1));
    let output = demo.script.output();
    assert!(
        output.contains("--postgres needs a PostgreSQL server"),
        "{output}"
    );
    assert!(output.contains("apt-get install postgresql"), "{output}");
    Ok(())
}
