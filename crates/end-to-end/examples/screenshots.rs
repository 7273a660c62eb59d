//! Pictures of a running demo: press the button, wait for the text, photograph both pages.
//!
//! `scripts/screenshots` starts the demo and calls this with the button's address, the phone's
//! address, and the directory to write to.

use std::path::Path;

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use end_to_end::{Browser, Window};

/// Half of the README's picture.
const HALF: Window = Window {
    width: 460,
    height: 760,
    ..Window::DESKTOP
};
/// Both halves with a gap.
const PAIR: Window = Window {
    width: 960,
    height: 800,
    ..Window::DESKTOP
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [button, phone, directory] = arguments.as_slice() else {
        bail!("give the button's address, the phone's address, and a directory");
    };
    let directory = Path::new(directory);
    std::fs::create_dir_all(directory)?;

    let button = pressed(button).await?;
    let sights = [
        ("desktop", Window::DESKTOP),
        ("desktop-dark", Window::DESKTOP.dark()),
        ("narrow", Window::PHONE),
        ("narrow-dark", Window::PHONE.dark()),
        ("half", HALF),
    ];
    for (sight, window) in sights {
        let browser = Browser::open(window).await?;
        for (page, url, awaited) in [
            ("button", &button, "It was delivered to the phone."),
            ("phone", phone, "Here's a random number"),
        ] {
            browser.goto(url).await?;
            browser.reads("body", awaited).await?;
            let file = directory.join(format!("{page}-{sight}.png"));
            std::fs::write(file, browser.picture().await?)?;
        }
        browser.close().await?;
    }
    side_by_side(directory).await
}

/// Presses the button in a browser; the address of the number's page.
async fn pressed(button: &str) -> anyhow::Result<String> {
    let browser = Browser::open(Window::DESKTOP).await?;
    browser.goto(button).await?;
    browser.click("form button").await?;
    browser
        .reads(".journey", "It was delivered to the phone.")
        .await?;
    let address = browser.address().await?;
    browser.close().await?;
    Ok(address)
}

/// The README's picture, from the two halves.
async fn side_by_side(directory: &Path) -> anyhow::Result<()> {
    let mut images = String::new();
    for page in ["button", "phone"] {
        let file = directory.join(format!("{page}-half.png"));
        let png = std::fs::read(&file).with_context(|| file.display().to_string())?;
        let data = BASE64_STANDARD.encode(png);
        images.push_str(&format!(
            "<img width=460 src='data:image/png;base64,{data}'>"
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
