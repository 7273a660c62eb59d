//! The slides in a real browser: reveal.js's keys, the demo inside, one file without a network.

use std::{path::Path, time::Duration};

use anyhow::Context;
use end_to_end::{Browser, PATIENCE, Script, Window, free_ports, program_path, until};
use fantoccini::{
    Locator,
    actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction},
    elements::Element,
};
use serde_json::{Value, json};

const PORTS: [&str; 5] = [
    "DECK_PORT",
    "BUTTON_PORT",
    "TEXTER_PORT",
    "PHONE_PORT",
    "POLIS_PORT",
];

/// A slide with frames.
const PRESS: &str = "Press it";

struct Talk {
    script: Script,
    url: String,
}

impl Talk {
    async fn start() -> anyhow::Result<Self> {
        let ports: [u16; 5] = free_ports()?;
        let variables: Vec<_> = PORTS
            .into_iter()
            .zip(ports.map(|port| port.to_string()))
            .collect();
        let script = Script::start("talk", &["--no-build"], &variables)?;
        script.says("Ctrl-C stops it and the demo").await?;
        Ok(Self {
            script,
            url: format!("http://localhost:{}/", ports[0]),
        })
    }
}

/// The heading of the slide that is shown.
async fn heading(browser: &Browser) -> anyhow::Result<String> {
    let heading =
        browser.script("return Reveal.getCurrentSlide().querySelector('h1, h2, h3').textContent");
    Ok(heading.await?.as_str().unwrap_or_default().to_owned())
}

async fn shows(browser: &Browser, due: &str) -> anyhow::Result<()> {
    until(&format!("the slide {due:?}"), PATIENCE, || async {
        let heading = heading(browser).await?;
        anyhow::ensure!(heading == due, "it is {heading:?}");
        Ok(())
    })
    .await
}

/// The address of the slide with this heading, as reveal.js writes it.
async fn address(browser: &Browser, heading: &str) -> anyhow::Result<String> {
    let script = "const slide = Reveal.getSlides().find((slide) => \
         slide.querySelector('h1, h2, h3').textContent === arguments[0]); \
         const { h, v } = Reveal.getIndices(slide); return v ? `#/${h}/${v}` : `#/${h}`;";
    let found = browser.client.execute(script, vec![json!(heading)]).await?;
    Ok(found.as_str().context("no such slide")?.to_owned())
}

/// Enters the frame of the program `name` on the slide that is shown, once it is there.
async fn enter(browser: &Browser, name: &str) -> anyhow::Result<()> {
    let selector = format!(".present .frame[data-name={name}] iframe");
    let frame = browser
        .client
        .wait()
        .at_most(PATIENCE)
        .for_element(Locator::Css(&selector))
        .await?;
    frame.enter_frame().await?;
    Ok(())
}

async fn leave(browser: &Browser) -> anyhow::Result<()> {
    Ok(browser.client.enter_parent_frame().await?)
}

async fn center_of(browser: &Browser, button: &Element) -> anyhow::Result<(f64, f64)> {
    // Inside the frame, in its own pixels.
    let script = "arguments[0].scrollIntoView({ block: 'center' }); \
         const box = arguments[0].getBoundingClientRect(); \
         return [box.x + box.width / 2, box.y + box.height / 2, innerWidth];";
    let inside = browser
        .client
        .execute(script, vec![serde_json::to_value(button)?])
        .await?;
    leave(browser).await?;
    let script = "const box = document.querySelector('.present .frame[data-name=button] iframe')\
         .getBoundingClientRect(); return [box.x, box.y, box.width];";
    let frame = browser.script(script).await?;
    let at = |values: &Value, index: usize| values[index].as_f64().context("no number");
    let scale = at(&frame, 2)? / at(&inside, 2)?;
    let place = |index| anyhow::Ok(at(&frame, index)? + at(&inside, index)? * scale);
    Ok((place(0)?, place(1)?))
}

/// Presses the button in the slide with a pointer, as a hand does, and waits for the text on the
/// phone beside it.
async fn press_in_the_slide(browser: &Browser) -> anyhow::Result<()> {
    enter(browser, "button").await?;
    let button = browser
        .client
        .wait()
        .at_most(PATIENCE)
        .for_element(Locator::Css("form button"))
        .await?;
    let (x, y) = center_of(browser, &button).await?;
    let press = MouseActions::new("hand".to_owned())
        .then(PointerAction::MoveTo {
            duration: Some(Duration::ZERO),
            x,
            y,
        })
        .then(PointerAction::Down {
            button: MOUSE_BUTTON_LEFT,
        })
        .then(PointerAction::Up {
            button: MOUSE_BUTTON_LEFT,
        });
    browser.client.perform_actions(press).await?;
    enter(browser, "button").await?;
    // The page's address names the number that was drawn.
    let number = until("the number", PATIENCE, || async {
        let query = browser
            .script("return new URLSearchParams(location.search).get('num')")
            .await?;
        query.as_str().map(str::to_owned).context("none was drawn")
    })
    .await?;
    leave(browser).await?;
    enter(browser, "phone").await?;
    browser
        .reads("body", &format!("Here's a random number: {number}"))
        .await?;
    leave(browser).await
}

#[tokio::test]
async fn the_slides_move_and_the_button_in_them_texts_the_phone_beside_it() -> anyhow::Result<()> {
    let mut talk = Talk::start().await?;
    let browser = Browser::open(Window::DESKTOP).await?;
    browser.goto(&talk.url).await?;
    shows(&browser, "Don't call us, we'll call you").await?;

    // Forward, down a column, and back, by keys.
    browser.keys("\u{e014}").await?;
    shows(&browser, "Who has…").await?;
    browser.keys("\u{e012}").await?;
    shows(&browser, "Don't call us, we'll call you").await?;
    let polling = address(&browser, "\"Anything new?\"").await?;
    browser.goto(&format!("{}{polling}", talk.url)).await?;
    shows(&browser, "\"Anything new?\"").await?;
    browser.keys("\u{e015}").await?;
    shows(&browser, "Downside 1: the client writes the loop").await?;
    // A link to a slide inside a column.
    let deep = address(&browser, "Downside 3: most answers are empty").await?;
    assert!(deep.ends_with("/3"), "{deep}");
    browser.goto(&format!("{}{deep}", talk.url)).await?;
    browser.reload().await?;
    shows(&browser, "Downside 3: most answers are empty").await?;
    // The overview.
    browser.keys("o").await?;
    until("the overview", PATIENCE, || async {
        anyhow::ensure!(browser.script("return Reveal.isOverview()").await? == true);
        Ok(())
    })
    .await?;
    browser.keys("o").await?;

    let press = address(&browser, PRESS).await?;
    browser.goto(&format!("{}{press}", talk.url)).await?;
    shows(&browser, PRESS).await?;
    press_in_the_slide(&browser).await?;
    // The keys are the frame's until the pointer is outside of it. Another slide lets the
    // programs' connections go.
    let away = MouseActions::new("hand".to_owned()).then(PointerAction::MoveTo {
        duration: Some(Duration::ZERO),
        x: 640.0,
        y: 60.0,
    });
    browser.client.perform_actions(away).await?;
    browser.keys("\u{e014}").await?;
    shows(&browser, "What arrived").await?;
    until("the frames to be gone", PATIENCE, || async {
        let open = browser
            .script("return document.querySelectorAll('.frame[data-name=button] iframe').length");
        anyhow::ensure!(open.await? == 0);
        Ok(())
    })
    .await?;
    enter(&browser, "polis").await?;
    browser.reads("body", "random_number:generate").await?;
    leave(&browser).await?;
    browser.close().await?;

    assert_eq!(talk.script.interrupt().await?, Some(130));
    assert_eq!(talk.script.left().await?, "");
    assert_eq!(talk.script.files_left()?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn the_button_is_pressed_in_a_slide_on_a_dark_phone() -> anyhow::Result<()> {
    let talk = Talk::start().await?;
    let browser = Browser::open(Window::PHONE.dark()).await?;
    browser.goto(&talk.url).await?;
    let press = address(&browser, PRESS).await?;
    browser.goto(&format!("{}{press}", talk.url)).await?;
    shows(&browser, PRESS).await?;
    press_in_the_slide(&browser).await?;
    let looks = browser.script(
        "return [getComputedStyle(document.body).backgroundColor, document.documentElement.scrollWidth]",
    )
    .await?;
    assert_eq!(looks, json!(["rgb(19, 20, 24)", 360]));
    // No slide is wider or higher than the window.
    let cut = browser.script(
        "return Reveal.getSlides().filter((slide) => { const { h, v } = Reveal.getIndices(slide); \
         Reveal.slide(h, v); const box = slide.getBoundingClientRect(); \
         return box.width > innerWidth + 1 || box.height > innerHeight + 1 || slide.scrollWidth > slide.clientWidth + 1; }) \
         .map((slide) => slide.querySelector('h1, h2, h3').textContent)",
    )
    .await?;
    assert_eq!(cut, json!([]));
    browser.close().await
}

#[tokio::test]
async fn a_deck_in_a_file_opens_without_a_network() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let talk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/talk/talk.md");
    let built = tokio::process::Command::new(program_path("deck")?)
        .args([
            "build".as_ref(),
            talk.as_os_str(),
            "-o".as_ref(),
            folder.path().as_os_str(),
        ])
        .output()
        .await?;
    anyhow::ensure!(built.status.success(), "{built:?}");
    let said = String::from_utf8(built.stdout)?;
    assert!(
        said.contains("made with reveal.js 6.0.2 (MIT licence)"),
        "{said}"
    );

    let browser = Browser::open(Window::DESKTOP).await?;
    browser.offline().await?;
    browser
        .goto(&format!("file://{}/index.html", folder.path().display()))
        .await?;
    shows(&browser, "Don't call us, we'll call you").await?;
    let press = address(&browser, PRESS).await?;
    browser.keys("\u{e014}").await?;
    shows(&browser, "Who has…").await?;
    // Code is highlighted, the fonts are there, and nothing was asked of a network.
    let state = browser.script(
        "return [document.querySelectorAll('code.hljs .hljs-string').length > 0, \
         document.fonts.check('16px \"Source Sans Pro\"'), \
         performance.getEntriesByType('resource').filter((entry) => !entry.name.startsWith('data:')).length]",
    )
    .await?;
    assert_eq!(state, json!([true, true, 0]));
    browser
        .goto(&format!(
            "file://{}/index.html{press}",
            folder.path().display()
        ))
        .await?;
    shows(&browser, PRESS).await?;
    browser.reads(".present .start", "run scripts/talk").await?;
    browser.close().await
}
