//! axe-core finds nothing to say against any page in any state, light and dark.

use std::{fs::File, path::Path, process::Command};

use anyhow::{Context, ensure};
use end_to_end::{Browser, Chain, Demo, PATIENCE, Window, until};

/// The newest version when the test was written.
const AXE: &str = "axe-core@4.14.1";

/// axe's script, installed once below `target/`.
fn axe() -> anyhow::Result<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(AXE);
    std::fs::create_dir_all(&folder)?;
    let installing = File::create(folder.join("lock"))?;
    installing.lock()?;
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.exists() {
        let installed = Command::new("npm")
            .args([
                "install",
                "--no-save",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
            ])
            .arg("--prefix")
            .arg(&folder)
            .arg(AXE)
            .status()
            .context("npm can't be started; scripts/test installs it")?;
        ensure!(installed.success(), "npm does not install {AXE}");
    }
    Ok(std::fs::read_to_string(script)?)
}

/// A browser with axe beside it.
struct Critic {
    browser: Browser,
    axe: String,
    /// What was found, a line for each place.
    found: Vec<String>,
}

impl Critic {
    async fn goes_to(&mut self, url: &str, selector: &str, part: &str) -> anyhow::Result<()> {
        self.browser.goto(url).await?;
        self.browser.reads(selector, part).await?;
        self.looks(url).await
    }

    /// Looks at the page as it is now.
    async fn looks(&mut self, at: &str) -> anyhow::Result<()> {
        // A colour on its way from one to another is neither; what breathes for ever has no end.
        let script = format!(
            "{}; document.getAnimations().forEach((animation) =>
               animation.effect.getComputedTiming().endTime < Infinity ? animation.finish() : animation.cancel());
             return axe.run().then((found) => found.violations)",
            self.axe
        );
        let violations = self.browser.script(&script).await?;
        for violation in violations.as_array().context("axe found no list")? {
            let nodes = violation["nodes"].as_array().into_iter().flatten();
            self.found.extend(nodes.map(|node| {
                format!(
                    "{at}: {}: {} {}",
                    violation["id"], node["html"], node["failureSummary"]
                )
            }));
        }
        Ok(())
    }
}

/// Contrast of the field's border with what is around it and in it, the lower of both.
const FIELD_CONTRAST: &str = "
    const light = (colour) => {
      const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
        .map((part) => (part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4));
      return .2126 * parts[0] + .7152 * parts[1] + .0722 * parts[2];
    };
    const contrast = (a, b) => {
      const [dark, bright] = [light(a), light(b)].sort((one, other) => one - other);
      return (bright + .05) / (dark + .05);
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = getComputedStyle(at).backgroundColor;
        if (colour !== 'rgba(0, 0, 0, 0)') return colour;
      }
    };
    const fields = [...document.querySelectorAll('input, select, textarea')].filter((field) =>
      field.checkVisibility() && !['hidden', 'checkbox', 'radio', 'file'].includes(field.type));
    return fields.map((field) => {
      const border = getComputedStyle(field).borderTopColor;
      return Math.min(contrast(border, behind(field)), contrast(border, behind(field.parentElement)));
    });";

async fn every_page_in_every_state(window: Window) -> anyhow::Result<()> {
    let mut critic = Critic {
        browser: Browser::open(window).await?,
        axe: axe()?,
        found: Vec::new(),
    };
    let chain = Chain::start().await?;
    let polis = chain.polis_page_url.clone();
    critic
        .goes_to(&polis, "#rows", "Waiting for the first request")
        .await?;
    critic
        .goes_to(&chain.button_url, "h1", "Random Number")
        .await?;
    critic
        .goes_to(&chain.phone.url, "#thread", "No texts yet")
        .await?;
    critic.goes_to(&chain.texter_url, "h1", "Texter").await?;

    let journey = chain.press().await?;
    critic
        .goes_to(&journey.url, "#journey", "It was delivered to the phone.")
        .await?;
    critic
        .goes_to(&chain.phone.url, "#thread", "Here's a random number")
        .await?;
    critic
        .goes_to(&chain.texter_url, "main", "Last texts")
        .await?;

    let client = reqwest::Client::new();
    let capture = chain.capture_url();
    let form = client
        .post(capture)
        .header("content-type", "application/x-www-form-urlencoded");
    form.body("Body=Your+number&To=%2B15005550006")
        .send()
        .await?;
    let late = client.post(capture).header("webhook-id", "msg_1");
    let late = late
        .header("webhook-timestamp", "1")
        .header("webhook-signature", "v1,AAAA");
    late.body(r#"{"event":"late"}"#).send().await?;
    let parts = client
        .post(capture)
        .header("content-type", "multipart/form-data; boundary=x");
    let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--x--\r\n";
    parts.body(part).send().await?;

    critic.goes_to(&polis, "#rows", "sig failed").await?;
    critic
        .goes_to(&format!("{polis}/?q=863x"), "#rows", "Nothing that is kept")
        .await?;
    critic
        .goes_to(&format!("{polis}/?status=x"), "#above", "status")
        .await?;
    critic
        .goes_to(&format!("{polis}/requests/99"), "#above", "no request")
        .await?;
    for id in 1..=4 {
        let url = format!("{polis}/requests/{id}");
        critic.goes_to(&url, "#detail h2", "POST").await?;
        for tab in ["headers", "answer", "raw", "hex", "query", "form", "parts"] {
            let opened = format!("{url}?tab={tab}");
            critic.goes_to(&opened, "#tabs", "Headers").await?;
        }
    }
    critic
        .goes_to(
            &format!("{polis}/requests/3?with=2"),
            "#comparison",
            "Where",
        )
        .await?;
    critic.browser.click("#again summary").await?;
    let contrasts = critic.browser.script(FIELD_CONTRAST).await?;
    let contrasts: Vec<f64> = serde_json::from_value(contrasts)?;
    ensure!(
        !contrasts.is_empty() && contrasts.iter().all(|contrast| *contrast >= 3.0),
        "borders of fields: {contrasts:?}"
    );
    critic.browser.click("#replay button").await?;
    critic.browser.reads("#replayed", "answered").await?;
    critic.looks("sent again").await?;
    critic.browser.click("#help-open").await?;
    critic.looks("help").await?;
    critic
        .goes_to(&format!("{polis}/rules"), "h1", "How polis answers")
        .await?;
    let rule = client
        .post(format!("{polis}/rules"))
        .header("content-type", "application/x-www-form-urlencoded");
    rule.body("scope=default&json=%7B%22rules%22%3A%5B%7B%22respond%22%3A%22500x2,200%22%7D%5D%7D")
        .send()
        .await?;
    critic
        .goes_to(&format!("{polis}/rules"), "#now", "500x2,200")
        .await?;
    let wrong =
        r#"document.querySelector("textarea[name=json]").value = '{"rules":[{"sleep":"soon"}]}'"#;
    critic.browser.script(wrong).await?;
    critic.browser.click("#all-rules > button").await?;
    critic.browser.reads("#problems", "sleep").await?;
    critic.looks("rules with a problem").await?;

    ensure!(critic.found.is_empty(), "{}", critic.found.join("\n"));
    critic.browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relays_page_is_accessible_in_light_and_in_the_dark() -> anyhow::Result<()> {
    let demo = Demo::start(&["--no-build", "--relay"], &[])?;
    demo.is_up().await?;
    let client = reqwest::Client::new();
    for (window, part) in [
        (Window::DESKTOP, "Nothing yet"),
        (Window::DESKTOP.dark(), "Do it again"),
    ] {
        let mut critic = Critic {
            browser: Browser::open(window).await?,
            axe: axe()?,
            found: Vec::new(),
        };
        critic.goes_to(&demo.relay_url(), "main", part).await?;
        ensure!(critic.found.is_empty(), "{}", critic.found.join("\n"));
        critic.browser.close().await?;
        client.post(demo.button_url()).send().await?;
        until("the chat's message", PATIENCE, || async {
            let page = reqwest::get(demo.relay_url()).await?.text().await?;
            ensure!(page.contains("Do it again"), "{page}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_buttons_are_accessible_while_one_dies_in_light_and_in_the_dark() -> anyhow::Result<()>
{
    let demo = Demo::start(&["--no-build", "--postgres"], &[])?;
    demo.is_up().await?;
    let mut critics = Vec::new();
    for window in [Window::DESKTOP, Window::DESKTOP.dark()] {
        let mut critic = Critic {
            browser: Browser::open(window).await?,
            axe: axe()?,
            found: Vec::new(),
        };
        critic
            .goes_to(&demo.button_url(), "#buttons", "is alive")
            .await?;
        critics.push(critic);
    }
    let kill = "form[action='/break/button-killed'] button";
    let pressed = &critics[0].browser;
    pressed.click("#press button").await?;
    pressed
        .reads(".journey", "It was delivered to the phone.")
        .await?;
    pressed.click(kill).await?;
    for (critic, state) in [(0, "has not been heard from for"), (1, "is gone")] {
        critics[critic].browser.reads("#buttons", state).await?;
        critics[critic].looks(state).await?;
    }
    for critic in critics {
        ensure!(critic.found.is_empty(), "{}", critic.found.join("\n"));
        critic.browser.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_in_every_state_is_accessible_in_light() -> anyhow::Result<()> {
    every_page_in_every_state(Window::DESKTOP).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_in_every_state_is_accessible_in_the_dark() -> anyhow::Result<()> {
    every_page_in_every_state(Window::DESKTOP.dark()).await
}
