//! Pictures of a running demo: press the button, wait for the text, photograph the opened webhook,
//! the phone and the guided path.
//!
//! `scripts/screenshots` starts the demo and calls this with the button's address, the phone's
//! address, and the directory to write to.

use std::path::Path;

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use end_to_end::{Browser, Window};

/// The two pages of the README's picture.
const BUTTON_PART: Window = Window {
    width: 700,
    height: 1000,
    ..Window::DESKTOP
};
const PHONE_PART: Window = Window {
    width: 400,
    height: 1000,
    ..Window::DESKTOP
};
/// Both with a gap.
const PAIR: Window = Window {
    width: 1160,
    height: 1040,
    pixel_ratio: 1.0,
    ..Window::DESKTOP
};
/// Tall enough for the whole of a page.
const DESKTOP: Window = Window {
    height: 1900,
    pixel_ratio: 1.0,
    ..Window::DESKTOP
};
const NARROW: Window = Window {
    height: 3600,
    pixel_ratio: 1.0,
    ..Window::PHONE
};
const SIGHTS: [(&str, Window); 4] = [
    ("desktop", DESKTOP),
    ("desktop-dark", DESKTOP.dark()),
    ("narrow", NARROW),
    ("narrow-dark", NARROW.dark()),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [button, phone, directory] = arguments.as_slice() else {
        bail!("give the button's address, the phone's address, and a directory");
    };
    let directory = Path::new(directory);
    std::fs::create_dir_all(directory)?;

    let number = pressed(button, "#press button", "It was delivered to the phone.").await?;
    for (sight, window) in SIGHTS {
        photograph(
            &number,
            "See this request in polis",
            window,
            directory,
            &format!("webhook-{sight}"),
        )
        .await?;
        photograph(
            phone,
            "Here's a random number",
            window,
            directory,
            &format!("phone-{sight}"),
        )
        .await?;
    }
    photograph(
        &number,
        "See this request in polis",
        BUTTON_PART,
        directory,
        "button-part",
    )
    .await?;
    photograph(
        phone,
        "Here's a random number",
        PHONE_PART,
        directory,
        "phone-part",
    )
    .await?;
    side_by_side(directory).await?;
    std::fs::write(directory.join("pages.txt"), read_out(&number).await?)?;

    let broken = "form[action='/break/texter-down'] button";
    let number = pressed(button, broken, "connection refused").await?;
    for (sight, window) in SIGHTS {
        photograph(
            &number,
            "what to watch for",
            window,
            directory,
            &format!("broken-{sight}"),
        )
        .await?;
    }
    Ok(())
}

/// Presses what `selector` finds, in a browser; the address of the number's page.
async fn pressed(button: &str, selector: &str, awaited: &str) -> anyhow::Result<String> {
    let browser = Browser::open(Window::DESKTOP).await?;
    browser.goto(button).await?;
    browser.click(selector).await?;
    browser.reads(".journey", awaited).await?;
    let address = browser.address().await?;
    browser.close().await?;
    Ok(address)
}

/// What a person reads on every page of the demo after one press, for somebody who is to say then
/// what a webhook is.
async fn read_out(number: &str) -> anyhow::Result<String> {
    let browser = Browser::open(Window::DESKTOP).await?;
    browser.goto(number).await?;
    let links =
        "return [...document.querySelectorAll('.pages a')].map(a => [a.textContent, a.href])";
    let links: Vec<(String, String)> =
        serde_json::from_value(browser.client.execute(links, Vec::new()).await?)?;
    let mut text = String::new();
    for (name, url) in links {
        let url = if name == "button" { number } else { &url };
        browser.goto(url).await?;
        let page = browser.text("main").await?;
        text.push_str(&format!("==== {name}, {url}\n\n{page}\n\n"));
    }
    browser.close().await?;
    Ok(text)
}

async fn photograph(
    url: &str,
    awaited: &str,
    window: Window,
    directory: &Path,
    name: &str,
) -> anyhow::Result<()> {
    let browser = Browser::open(window).await?;
    browser.goto(url).await?;
    browser.reads("body", awaited).await?;
    browser.client.execute("scrollTo(0, 0)", Vec::new()).await?;
    std::fs::write(
        directory.join(format!("{name}.png")),
        browser.picture().await?,
    )?;
    browser.close().await
}

/// The README's picture, from its two parts.
async fn side_by_side(directory: &Path) -> anyhow::Result<()> {
    let mut images = String::new();
    for (page, window) in [("button", BUTTON_PART), ("phone", PHONE_PART)] {
        let file = directory.join(format!("{page}-part.png"));
        let png = std::fs::read(&file).with_context(|| file.display().to_string())?;
        let data = BASE64_STANDARD.encode(png);
        images.push_str(&format!(
            "<img width={} src='data:image/png;base64,{data}'>",
            window.width
        ));
    }
    let html = format!(
        "<style>body {{ margin: 0; padding: 20px 0; background: #e4e4de; display: flex; \
         justify-content: space-evenly }} img {{ border-radius: 12px }}</style>{images}"
    );
    let page = directory.join("side-by-side.html");
    std::fs::write(&page, html)?;
    let browser = Browser::open(PAIR).await?;
    let page_url = format!("file://{}", page.canonicalize()?.display());
    browser.goto(&page_url).await?;
    let picture = browser.picture().await?;
    std::fs::write(directory.join("button-and-phone.png"), picture)?;
    std::fs::remove_file(page)?;
    browser.close().await
}
