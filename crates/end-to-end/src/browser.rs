//! Chromium or Firefox, controlled through its driver, with a throwaway profile.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    port::free_ports,
    waiting::{PATIENCE, ensure, until},
};

/// The names under which Chromium may be installed.
const CHROMIUM: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Scrolls to an element and waits until two frames show it in the same place. The driver clicks where the element
/// was when it asked, which is something else if the page moves meanwhile. Hidden pages have no frames.
const COME_TO_REST: &str = "
    const [element] = arguments;
    const frame = () => Promise.race([
      new Promise(requestAnimationFrame),
      new Promise((done) => setTimeout(done, 100)),
    ]);
    const place = () => JSON.stringify(element.getBoundingClientRect());
    const rest = async () => {
      for (let before = ''; before !== place(); await frame()) {
        before = place();
        await frame();
      }
    };
    element.scrollIntoView({ block: 'nearest', behavior: 'instant' });
    return rest();";

/// How long the driver may take to close a window.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// The properties of a window.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Whether the page is told that the user prefers dark pages.
    pub dark: bool,
    /// Screenshot pixels per CSS pixel.
    pub pixel_ratio: f32,
}

impl Window {
    /// A window on a desktop.
    pub const DESKTOP: Self = Self {
        width: 1280,
        height: 900,
        dark: false,
        pixel_ratio: 2.0,
    };
    /// A small phone.
    pub const PHONE: Self = Self {
        width: 360,
        height: 780,
        dark: false,
        pixel_ratio: 2.0,
    };

    /// The same window, dark.
    #[must_use]
    pub const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }
}

/// A browser window.
#[derive(Debug)]
pub struct Browser {
    /// For what the methods here do not cover.
    pub client: Client,
    driver: Child,
    driver_port: u16,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Opens a window of Chromium.
    ///
    /// # Errors
    /// When Chromium or its driver is missing or does not start.
    pub async fn open(window: Window) -> anyhow::Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-quic".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        if window.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        // Emulated, because a real window can't be as narrow as a phone.
        let metrics = json!({
            "width": window.width, "height": window.height, "pixelRatio": window.pixel_ratio, "mobile": false,
            "touch": false,
        });
        let options = json!({
            "args": arguments,
            "binary": chromium()?,
            "mobileEmulation": { "deviceMetrics": metrics },
        });
        Self::driven("chromedriver", "goog:chromeOptions", options, profile).await
    }

    /// Opens a window of Firefox, in light mode and no smaller than Firefox allows.
    ///
    /// # Errors
    /// When Firefox or its driver is missing or does not start.
    pub async fn open_firefox(window: Window) -> anyhow::Result<Self> {
        let (width, height) = (window.width.to_string(), window.height.to_string());
        let options = json!({ "args": ["-headless", "-width", width, "-height", height] });
        Self::driven(
            "geckodriver",
            "moz:firefoxOptions",
            options,
            tempfile::tempdir()?,
        )
        .await
    }

    async fn driven(
        program: &str,
        name: &str,
        options: serde_json::Value,
        profile: TempDir,
    ) -> anyhow::Result<Self> {
        let [port] = free_ports()?;
        let driver = Command::new(program)
            .arg(format!("--port={port}"))
            .env("TMPDIR", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{program} can't be started; scripts/test installs it"))?;
        let mut capabilities = serde_json::Map::new();
        capabilities.insert(name.to_owned(), options);
        let url = format!("http://127.0.0.1:{port}");
        let client = until("a browser window", PATIENCE, || async {
            Ok(ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities.clone())
                .connect(&url)
                .await?)
        })
        .await?;
        let session = client
            .session_id()
            .await?
            .context("a window without an id")?;
        Ok(Self {
            client,
            driver,
            driver_port: port,
            session,
            _profile: profile,
        })
    }

    /// Loads a page.
    ///
    /// # Errors
    /// When it does not load.
    pub async fn goto(&self, url: &str) -> anyhow::Result<()> {
        self.client.goto(url).await?;
        self.loaded().await
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// When it does not load.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.client.refresh().await?;
        self.loaded().await
    }

    // chromedriver sometimes answers while the page is being parsed, before its scripts have run.
    async fn loaded(&self) -> anyhow::Result<()> {
        until("the page to be loaded", PATIENCE, || async {
            let state = self.script("return document.readyState").await?;
            ensure(state == "complete", &state.to_string())
        })
        .await
    }

    /// The visible text of the element that `selector` finds.
    ///
    /// # Errors
    /// When there is no such element.
    pub async fn text(&self, selector: &str) -> anyhow::Result<String> {
        loop {
            let element = self.client.find(Locator::Css(selector)).await?;
            match element.text().await {
                // A page that updates itself replaced the element: the new one is read.
                Err(error) if error.is_stale_element_reference() => {}
                text => return Ok(text?),
            }
        }
    }

    /// Waits, without a reload, until the text of the element that `selector` finds contains
    /// `part`; returns the text.
    ///
    /// # Errors
    /// When it does not within [`PATIENCE`]; the error shows the text.
    pub async fn reads(&self, selector: &str, part: &str) -> anyhow::Result<String> {
        until(&format!("{part:?} in {selector}"), PATIENCE, || async {
            let text = self.text(selector).await?;
            ensure(text.contains(part), &text)?;
            Ok(text)
        })
        .await
    }

    /// Clicks the element that `selector` finds, once it stays where it is.
    ///
    /// # Errors
    /// When there is no such element, or it cannot be clicked.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        loop {
            let element = self.client.find(Locator::Css(selector)).await?;
            let place = vec![serde_json::to_value(&element)?];
            let clicked = match self.client.execute(COME_TO_REST, place).await {
                Ok(_) => element.click().await,
                Err(error) => Err(error),
            };
            match clicked {
                // Replaced before it was clicked: a person clicks on what is there.
                Err(error) if error.is_stale_element_reference() => {}
                clicked => return Ok(clicked?),
            }
        }
    }

    /// Types into whatever has the focus.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn keys(&self, keys: &str) -> anyhow::Result<()> {
        let actions = keys
            .chars()
            .fold(KeyActions::new("keyboard".to_owned()), |actions, key| {
                actions
                    .then(KeyAction::Down { value: key })
                    .then(KeyAction::Up { value: key })
            });
        Ok(self.client.perform_actions(actions).await?)
    }

    /// The result of `script`, the body of a function that runs in the page.
    ///
    /// # Errors
    /// When it throws, or the browser does not answer.
    pub async fn script(&self, script: &str) -> anyhow::Result<serde_json::Value> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// Disconnects the window from the network.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn offline(&self) -> anyhow::Result<()> {
        let url = format!(
            "http://127.0.0.1:{}/session/{}/chromium/network_conditions",
            self.driver_port, self.session
        );
        let conditions = json!({ "network_conditions": {
            "offline": true, "latency": 0, "download_throughput": 0, "upload_throughput": 0,
        }});
        let answer = reqwest::Client::new()
            .post(url)
            .header("content-type", "application/json")
            .body(conditions.to_string())
            .send()
            .await?;
        ensure(answer.status().is_success(), answer.status().as_str())
    }

    /// A screenshot of the window, as a PNG.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn picture(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.client.screenshot().await?)
    }

    /// The page's URL.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn address(&self) -> anyhow::Result<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Closes the window and ends the driver.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.client.clone().close().await?;
        Ok(self.driver.kill().await?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // After a failed test the window is still open: only the driver can close it, and the
        // driver ends right after this.
        let close = || -> std::io::Result<()> {
            let mut driver = TcpStream::connect(("127.0.0.1", self.driver_port))?;
            driver.set_read_timeout(Some(CLOSE_TIME))?;
            let session = &self.session;
            write!(
                driver,
                "DELETE /session/{session} HTTP/1.1\r\nhost: localhost\r\n\r\n"
            )?;
            driver.read_exact(&mut [0])
        };
        let _ = close();
    }
}

fn chromium() -> anyhow::Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for name in CHROMIUM {
        let found = std::env::split_paths(&path)
            .map(|directory| directory.join(name))
            .find(|candidate| candidate.is_file());
        if let Some(found) = found {
            return Ok(found.display().to_string());
        }
    }
    bail!("Chromium is missing; scripts/test installs it")
}
