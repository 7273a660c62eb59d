//! What a learner does with the demo, in a browser: press, open the webhook, break the chain, text
//! back, compare with polling. All of it ends green, or with the reason that was asked for.

use anyhow::{Context, bail};
use end_to_end::{Browser, Demo, Journey, PATIENCE, Phone, Window, until};
use serde_json::Value;

/// Presses the page's button and waits until the text arrived.
async fn press(browser: &Browser, demo: &Demo) -> anyhow::Result<Journey> {
    browser.goto(&demo.button_url()).await?;
    browser.click("#press button").await?;
    browser
        .reads(".journey", "It was delivered to the phone.")
        .await?;
    Journey::at(&demo.button_url(), &browser.address().await?)
}

/// What a script on the page returns.
async fn asked(browser: &Browser, script: &str) -> anyhow::Result<Value> {
    Ok(browser.client.execute(script, Vec::new()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_links_the_others_and_the_tabs_can_be_told_apart() -> anyhow::Result<()> {
    let demo = Demo::up().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    let pages = demo.pages();
    let (mut titles, mut icons) = (Vec::new(), Vec::new());
    for (name, url) in &pages {
        browser.goto(url).await?;
        let linked = asked(
            &browser,
            "return [...document.querySelectorAll('.pages a')].map(a => [a.textContent, a.origin])",
        )
        .await?;
        let expected: Vec<Value> = pages
            .iter()
            .map(|(name, url)| serde_json::json!([name, url]))
            .collect();
        assert_eq!(linked, Value::Array(expected), "from {name}");
        assert_eq!(browser.text(".pages [aria-current]").await?, *name);
        titles.push(asked(&browser, "return document.title").await?.to_string());
        let icon = asked(
            &browser,
            "return document.querySelector('link[rel=icon]').href",
        )
        .await?;
        let icon = icon.as_str().context("an icon")?;
        let icon = reqwest::get(icon).await?.error_for_status()?.text().await?;
        icons.push(icon);
    }
    // A press leads to what the phone shows.
    browser.goto(&pages[1].1).await?;
    browser.click(".pages a").await?;
    browser.reads("h1", "Send a Random Number").await?;
    for list in [&mut titles, &mut icons] {
        list.sort();
        list.dedup();
        assert_eq!(list.len(), pages.len(), "{list:?}");
    }
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_opens_up_to_its_webhook_and_polis_shows_the_same_request() -> anyhow::Result<()> {
    let demo = Demo::up().await?;
    for window in [Window::DESKTOP, Window::PHONE.dark()] {
        let browser = Browser::open(window).await?;
        let journey = press(&browser, &demo).await?;
        // Open without a click: a webhook is what the page is about.
        let exchange = browser.reads(".exchange[open]", "201 Created").await?;
        let body = format!(
            r#"{{"id":"{}","event":"random_number:generate","data":{}}}"#,
            journey.event_id, journey.number
        );
        let sent_to = format!("POST {}/", demo.texter_url());
        for part in [
            &*sent_to,
            "webhook-signature:",
            "The proof that it is genuine",
            &body,
        ] {
            assert!(exchange.contains(part), "{part}: {exchange}");
        }
        // Polis may answer after the text has arrived.
        for delivered in ["Delivered to the texter", "Delivered to polis"] {
            browser.reads(".branches", delivered).await?;
        }
        let wider = "return document.documentElement.scrollWidth - window.innerWidth";
        assert!(
            asked(&browser, wider)
                .await?
                .as_i64()
                .is_some_and(|pixels| pixels <= 0)
        );

        // What the reader closed stays closed while the page goes on changing.
        browser.click(".exchange[open] summary").await?;
        let polls = browser.text("#polling dd b").await?;
        until("another poll", PATIENCE, || async {
            let now = browser.text("#polling dd b").await?;
            if now == polls {
                bail!("still {polls}");
            }
            Ok(())
        })
        .await?;
        assert_eq!(
            asked(
                &browser,
                "return document.querySelectorAll('.exchange[open]').length"
            )
            .await?,
            0
        );

        browser.click(".attempt a[href^='/in-polis']").await?;
        let detail = browser.reads("#detail", &journey.event_id).await?;
        assert!(detail.contains("sig ok"), "{detail}");
        browser.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twilio_that_fails_once_is_tried_again_and_makes_one_text() -> anyhow::Result<()> {
    let demo = Demo::up().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    press(&browser, &demo).await?;
    browser
        .click("form[action='/break/twilio-error'] button")
        .await?;
    browser.reads("#watch", "Twilio fails once").await?;
    browser
        .reads(".branches", "Attempt 1: answered 503")
        .await?;
    browser
        .reads(".branches", "Attempt 2: answered 201")
        .await?;
    browser
        .reads(".journey", "It was delivered to the phone.")
        .await?;
    let journey = Journey::at(&demo.button_url(), &browser.address().await?)?;
    let bodies = demo.phone().bodies().await?;
    let text = format!("Here's a random number: {}", journey.number);
    assert_eq!(bodies[0], text);
    assert_eq!(bodies.len(), 2, "one text a number: {bodies:?}");
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn airplane_mode_is_told_as_the_reason_and_can_be_switched_off_on_the_page()
-> anyhow::Result<()> {
    let demo = Demo::up().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    press(&browser, &demo).await?;
    browser
        .click("form[action='/break/airplane-mode'] button")
        .await?;
    let told = browser.reads(".journey", "did not reach the phone").await?;
    assert!(told.contains("30003"), "{told}");
    browser.reads(".journey", "Delivered to the texter").await?;
    browser
        .reads("#break", "The phone is in airplane mode.")
        .await?;
    browser.click("form[action='/put-right'] button").await?;
    until("the warning to go", PATIENCE, || async {
        let guide = browser.text("#break").await?;
        if guide.contains("airplane mode.") {
            bail!("{guide}");
        }
        Ok(())
    })
    .await?;
    press(&browser, &demo).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_texter_that_is_down_is_waited_for_while_polis_has_its_webhook() -> anyhow::Result<()> {
    let demo = Demo::up().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    press(&browser, &demo).await?;
    browser
        .click("form[action='/break/texter-down'] button")
        .await?;
    browser
        .reads(".branches", "Attempt 1: connection refused")
        .await?;
    // At the same time, each as fast as it can.
    let told = browser.reads(".branches", "Delivered to polis").await?;
    assert!(
        told.contains("Not yet delivered to the texter") || told.contains("Held back"),
        "{told}"
    );
    // The texter is back after 20 s; the attempt after that gets through.
    until("the text", PATIENCE * 2, || async {
        let told = browser.text(".journey").await?;
        if !told.contains("It was delivered to the phone.") {
            bail!("{told}");
        }
        Ok(())
    })
    .await?;
    let journey = Journey::at(&demo.button_url(), &browser.address().await?)?;
    let text = format!("Here's a random number: {}", journey.number);
    let bodies = demo.phone().bodies().await?;
    assert_eq!(
        bodies.iter().filter(|body| **body == text).count(),
        1,
        "{bodies:?}"
    );
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_on_the_phone_is_answered_with_twiml_and_verified_in_polis() -> anyhow::Result<()> {
    let demo = Demo::up().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    let phone: Phone = demo.phone();
    browser.goto(&phone.url).await?;
    browser.click("#body").await?;
    browser.keys("thanks\u{e007}").await?;
    let note = browser
        .reads(".mine .note", "Delivered: answered 200")
        .await?;
    assert!(!note.contains("Not delivered"), "{note}");
    assert_eq!(
        asked(
            &browser,
            "return document.querySelector('.mine .note').className"
        )
        .await?,
        "note ok"
    );
    browser
        .goto(&format!("{}/?scope=replies", demo.polis_url()))
        .await?;
    browser.click("#rows a").await?;
    let detail = browser.reads("#detail", "/in/replies").await?;
    assert!(detail.contains("sig ok"), "{detail}");
    let api = format!("{}/api/requests", demo.polis_url());
    let listed = reqwest::get(format!("{api}?scope=replies")).await?;
    let listed: Value = serde_json::from_str(&listed.text().await?)?;
    let reply = &listed["requests"][0];
    assert_eq!(reply["signature"]["verdict"], "ok", "{reply}");
    assert_eq!(reply["signature"]["preset"], "twilio", "{reply}");
    let answer = reqwest::get(format!("{api}/{}/answer/body", reply["id"])).await?;
    assert_eq!(answer.text().await?, "<Response/>");
    browser.close().await
}

/// A page that is loaded anew is answered as it was, late: what came meanwhile stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_came_while_the_phone_was_caught_up_stays() -> anyhow::Result<()> {
    let demo = Demo::up().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    browser.goto(&demo.phone().url).await?;
    let late = "
        const own = window.fetch;
        window.caughtUp = 0;
        window.fetch = async (...what) => {
          const answer = await own(...what);
          if (what[0] === '/') {
            window.asked = true;
            await new Promise((done) => setTimeout(done, 2000));
            setTimeout(() => { window.caughtUp += 1; });
          }
          return answer;
        };
        dispatchEvent(new Event('pagehide'));
        dispatchEvent(new Event('pageshow'))";
    browser.script(late).await?;
    until("the page to be asked for", PATIENCE, || async {
        let is_asked = browser.script("return window.asked === true").await?;
        anyhow::ensure!(is_asked == true);
        Ok(())
    })
    .await?;
    browser.click("#body").await?;
    browser.keys("thanks\u{e007}").await?;
    browser.reads(".mine .note", "Delivered").await?;
    until("the late page", PATIENCE, || async {
        let count = browser.script("return window.caughtUp").await?;
        anyhow::ensure!(count.as_u64() > Some(0));
        Ok(())
    })
    .await?;
    let text = browser.text("#thread").await?;
    assert!(text.contains("thanks"), "{text}");
    browser.close().await
}

/// Everything that the comparison says and what it is computed from, at one moment.
const COMPARISON: &str = "
  const at = (time) => Date.parse(time.dateTime);
  return {
    since: at(document.getElementById('since')),
    drawn: [...document.querySelectorAll('.history time')].map(at),
    says: [...document.querySelectorAll('.versus dd')].map(dd => dd.textContent.replace(/\\s+/g, ' ')),
    now: Date.now(),
  }";

#[tokio::test(flavor = "multi_thread")]
async fn the_comparison_with_polling_is_computed_from_the_real_draws() -> anyhow::Result<()> {
    let demo = Demo::up().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    for _ in 0..3 {
        press(&browser, &demo).await?;
    }
    for interval_ms in [1_000, 5_000] {
        let seconds = interval_ms / 1_000;
        browser
            .click(&format!("#interval [value='{seconds}']"))
            .await?;
        browser.reads("#interval [aria-pressed]", "second").await?;
        let told = until("all draws to be learned", PATIENCE, || async {
            let told = asked(&browser, COMPARISON).await?;
            let polls = number(&told["says"][0])?;
            let since = told["since"].as_i64().context("since")?;
            let newest = told["drawn"][0].as_i64().context("draws")?;
            if since + polls * interval_ms < newest {
                bail!("not yet: {told}");
            }
            Ok(told)
        })
        .await?;
        let says = &told["says"];
        let since = told["since"].as_i64().context("since")?;
        let draws: Vec<i64> = told["drawn"]
            .as_array()
            .context("draws")?
            .iter()
            .filter_map(Value::as_i64)
            .collect();
        assert_eq!(draws.len(), 3, "{told}");
        let polls = number(&says[0])?;
        let elapsed = told["now"].as_i64().context("now")? - since;
        assert!((elapsed / interval_ms - polls).abs() <= 1, "{told}");
        // Asking one by one, as the receiver would.
        let (mut useful, mut late, mut known) = (0, 0, 0);
        for poll in 1..=polls {
            let asked_at = since + poll * interval_ms;
            let news: Vec<&i64> = draws.iter().filter(|at| **at <= asked_at).collect();
            if news.len() > known {
                useful += 1;
                let fresh = draws
                    .iter()
                    .filter(|at| **at <= asked_at && **at > asked_at - interval_ms);
                late += fresh.map(|at| asked_at - at).sum::<i64>();
                known = news.len();
            }
        }
        let text = |index: usize| says[index].as_str().unwrap_or_default().to_owned();
        assert!(
            text(0).contains(&format!("{} in vain", polls - useful)),
            "{told}"
        );
        assert_eq!(number(&says[1])?, useful, "{told}");
        let mean_ms = late as f64 / 3.0;
        let shown_ms = milliseconds(&text(2))?;
        // Shown to a millisecond below a second, to a tenth above; the page's times are whole
        // milliseconds.
        let slack_ms = if mean_ms < 1_000.0 { 2.0 } else { 52.0 };
        assert!((mean_ms - shown_ms).abs() <= slack_ms, "{mean_ms}: {told}");
        assert_eq!(number(&says[3])?, 3, "{told}");
        assert!(milliseconds(&text(5))? > 0.0, "{told}");
    }
    browser.close().await
}

/// The number that a sentence begins with.
fn number(sentence: &Value) -> anyhow::Result<i64> {
    let sentence = sentence.as_str().context("not text")?;
    let word = sentence.split_whitespace().next().context("empty")?;
    Ok(word.parse()?)
}

/// The time that a sentence begins with.
fn milliseconds(sentence: &str) -> anyhow::Result<f64> {
    let mut words = sentence.split_whitespace();
    let count: f64 = words.next().context("empty")?.parse()?;
    match words.next() {
        Some("ms") => Ok(count),
        Some("s") => Ok(count * 1_000.0),
        other => bail!("{other:?} in {sentence}"),
    }
}
