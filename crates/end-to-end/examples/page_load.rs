//! polis's page in Chromium while requests keep coming: no move may be lost, and nothing may hold
//! the page up. `scripts/bench-page` builds both programs for release and runs this.
//!
//! `page_load MOVES`: clicks on rows, searches and steps by key, in turn.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use end_to_end::{Browser, Program, Window, free_ports, until};
use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use serde_json::Value;

/// Requests a second.
const RATE: u64 = 200;
/// A move that is not shown by then is lost.
const MOVE_LIMIT: Duration = Duration::from_secs(2);
const MOVES_DEFAULT: usize = 50;
/// Rows that a click may hit, of those that are seen.
const ROWS: usize = 8;

/// Remembers the row that the pointer was pressed on, and every task that held the page up for
/// more than 50 ms, which is what browsers call a long one.
const WATCH: &str = "
    window.stalls = [];
    new PerformanceObserver((seen) => window.stalls.push(...seen.getEntries().map((task) => task.duration)))
      .observe({ type: 'longtask' });
    document.addEventListener('pointerdown', (event) => {
      window.pressed = event.target.closest('#rows li')?.value ?? 0;
    }, true);";

struct Page {
    browser: Browser,
}

impl Page {
    async fn number(&self, script: &str) -> anyhow::Result<u64> {
        let number = self.browser.script(script).await?;
        number
            .as_u64()
            .with_context(|| format!("{script}: {number}"))
    }

    async fn shows(&self, what: &str, script: &str) -> anyhow::Result<()> {
        until(what, MOVE_LIMIT, || async {
            match self.browser.script(script).await? {
                Value::Bool(true) => Ok(()),
                _ => bail!("not yet"),
            }
        })
        .await
    }

    async fn click(&self, row: usize) -> anyhow::Result<()> {
        // Where a row is, as a person points: whatever is there by then is what must open.
        let script = format!(
            "window.pressed = 0;
             const boxes = [...document.querySelectorAll('#rows > li')].map((row) => row.getBoundingClientRect());
             const seen = boxes.filter((box) => box.top > 60 && box.bottom < innerHeight);
             const box = seen[{row} % seen.length];
             return [Math.round(box.x + 60), Math.round(box.y + 12)]"
        );
        let (x, y): (f64, f64) = serde_json::from_value(self.browser.script(&script).await?)?;
        let point = PointerAction::MoveTo {
            duration: None,
            x,
            y,
        };
        let button = MOUSE_BUTTON_LEFT;
        let actions = MouseActions::new("mouse".to_owned())
            .then(point)
            .then(PointerAction::Down { button })
            .then(PointerAction::Up { button });
        self.browser.client.perform_actions(actions).await?;
        let pressed = self.number("return window.pressed").await?;
        let shown =
            format!("return Number(document.getElementById('detail').dataset.id) === {pressed}");
        self.shows(&format!("#{pressed} after a click"), &shown)
            .await
    }

    async fn search(&self, number: usize) -> anyhow::Result<()> {
        self.browser
            .script("document.getElementById('search').select()")
            .await?;
        self.browser.keys(&format!("needle-{number}.")).await?;
        let shown = format!(
            "const fields = new URLSearchParams(location.search);
             const rows = [...document.querySelectorAll('#rows > li .target')];
             return fields.get('q') === 'needle-{number}.' && rows.length > 0
               && rows.every((row) => row.textContent.includes('needle-{number}.'))"
        );
        let found = self.shows(&format!("needle-{number}"), &shown).await;
        // Back to everything, as Escape in a search field does.
        let clear = "const field = document.getElementById('search');
             field.value = '';
             field.dispatchEvent(new Event('input', { bubbles: true }));
             document.getElementById('list').focus()";
        self.browser.script(clear).await?;
        self.shows("all requests", "return location.search === ''")
            .await?;
        found
    }

    async fn step(&self) -> anyhow::Result<()> {
        let before = self
            .number("return Number(document.getElementById('detail').dataset.id)")
            .await?;
        self.browser
            .script("document.getElementById('list').focus()")
            .await?;
        self.browser.keys("j").await?;
        let shown = format!(
            "const id = Number(document.getElementById('detail').dataset.id);
             return id !== {before} && location.pathname === `/requests/${{id}}`"
        );
        self.shows("another request after j", &shown).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let moves = match std::env::args().nth(1) {
        Some(text) => text
            .parse()
            .with_context(|| format!("{text:?} is not a number of moves"))?,
        None => MOVES_DEFAULT,
    };
    let folder = tempfile::tempdir()?;
    let [port, ui_port] = free_ports()?;
    let variables = [("PORT", port.to_string()), ("UI_PORT", ui_port.to_string())];
    let mut polis = Program::start("polis", folder.path(), &[], &variables)?;
    let url = format!("http://127.0.0.1:{ui_port}");
    polis.answers(&url).await?;
    let page = Page {
        browser: Browser::open(Window::DESKTOP).await?,
    };
    page.browser.goto(&url).await?;
    let client = reqwest::Client::new();
    let capture = format!("http://127.0.0.1:{port}");
    for number in 0..moves {
        let body = client.post(format!("{capture}/needle-{number}."));
        body.body("{}").send().await?;
    }
    page.browser.reads("#rows", "needle").await?;
    page.browser.script(WATCH).await?;

    let begun = Instant::now();
    let sending = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(1000 / RATE));
        let mut sent = 0u64;
        loop {
            beat.tick().await;
            sent += 1;
            let body = format!(r#"{{"event":"random_number:generate","data":{sent}}}"#);
            let request = client.post(format!("{capture}/hooks")).body(body);
            tokio::spawn(request.header("content-type", "application/json").send());
        }
    });
    let mut lost = Vec::new();
    for number in 0..moves {
        let moved = match number % 3 {
            0 => page.click(1 + number % ROWS).await,
            1 => page.search(number).await,
            _ => page.step().await,
        };
        lost.extend(moved.err().map(|error| format!("move {number}: {error:#}")));
    }
    let time = begun.elapsed();
    sending.abort();
    let kept: Value = serde_json::from_str(
        &reqwest::get(format!("{url}/api/requests?limit=1"))
            .await?
            .text()
            .await?,
    )?;
    let came = kept["kept"].as_u64().unwrap_or_default()
        + kept["fell_out"]["requests"].as_u64().unwrap_or_default();
    let stalls: Vec<f64> =
        serde_json::from_value(page.browser.script("return window.stalls").await?)?;
    let longest = stalls.iter().copied().fold(0.0, f64::max);
    let mut out = std::io::stdout();
    use std::io::Write;
    writeln!(
        out,
        "requests a second: {:.0}",
        (came - moves as u64) as f64 / time.as_secs_f64()
    )?;
    writeln!(out, "moves: {moves}, lost: {}", lost.len())?;
    writeln!(
        out,
        "stalls over 50 ms: {}, the longest {longest:.0} ms",
        stalls.len()
    )?;
    for line in &lost {
        writeln!(out, "{line}")?;
    }
    page.browser.close().await?;
    if !lost.is_empty() || !stalls.is_empty() {
        bail!("moves were lost, or something held the page up");
    }
    Ok(())
}
