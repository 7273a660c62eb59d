//! Phone, texter, polis and button, connected as in `scripts/demo`.

use std::path::Path;

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use tempfile::TempDir;

use crate::{
    phone::Phone,
    port::free_ports,
    program::Program,
    waiting::{PATIENCE, ensure, until},
};

/// The signing key of the tests. It protects nothing real; tests search for it where it must not
/// appear.
const SECRET_BYTES: &[u8; 32] = b"the end-to-end tests' own secret";

/// The chain; dropping this value ends every program.
#[derive(Debug)]
pub struct Chain {
    /// The phone on which the texts arrive.
    pub phone: Phone,
    /// The button's page.
    pub button_url: String,
    /// The texter's URL.
    pub texter_url: String,
    /// The page of polis.
    pub polis_page_url: String,
    secret: String,
    texter_checks: bool,
    phone_program: Program,
    texter: Option<Program>,
    polis: Program,
    button: Option<Program>,
    polis_url: String,
    data: TempDir,
}

/// One number on its way, as the button's response identifies it.
#[derive(Debug, Clone)]
pub struct Journey {
    /// The number.
    pub number: u16,
    /// The event's id.
    pub event_id: String,
    /// The page that shows it.
    pub url: String,
}

impl Chain {
    /// Starts everything and waits until it is healthy.
    ///
    /// # Errors
    /// When a program does not start; the error shows its log.
    pub async fn start() -> anyhow::Result<Self> {
        let mut chain = Self::without_texter().await?;
        chain.start_texter().await?;
        Ok(chain)
    }

    /// The same with another auth token of the Twilio account.
    ///
    /// # Errors
    /// When a program does not start; the error shows its log.
    pub async fn with_token(token: &str) -> anyhow::Result<Self> {
        let mut chain = Self::assemble(Some(token)).await?;
        chain.start_texter().await?;
        Ok(chain)
    }

    /// The same with a texter that requires no signature, as in the talk.
    ///
    /// # Errors
    /// When a program does not start; the error shows its log.
    pub async fn start_unsigned() -> anyhow::Result<Self> {
        let mut chain = Self::without_texter().await?;
        chain.texter_checks = false;
        chain.start_texter().await?;
        Ok(chain)
    }

    /// The same with the texter still down.
    ///
    /// # Errors
    /// When a program does not start; the error shows its log.
    pub async fn without_texter() -> anyhow::Result<Self> {
        Self::assemble(None).await
    }

    async fn assemble(token: Option<&str>) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let [phone, texter, button, polis, polis_page] = free_ports()?;
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let secret = format!("whsec_{}", BASE64_STANDARD.encode(SECRET_BYTES));

        let mut variables = base(phone);
        let phone = Phone::at(url(phone)).token(token);
        variables.extend(phone.account());
        let mut phone_program = Program::start("dev-phone", data.path(), &[], &variables)?;

        let mut variables = base(polis);
        variables.push(("POLIS_SECRETS", secret.clone()));
        variables.push(("UI_PORT", polis_page.to_string()));
        let arguments = ["--verify", "standard"];
        let mut polis_program = Program::start("polis", data.path(), &arguments, &variables)?;

        phone_program.answers(&phone.url).await?;
        polis_program.answers(&url(polis_page)).await?;
        let mut chain = Self {
            phone,
            button_url: url(button),
            texter_url: url(texter),
            polis_page_url: url(polis_page),
            secret,
            texter_checks: true,
            phone_program,
            texter: None,
            polis: polis_program,
            button: None,
            polis_url: url(polis),
            data,
        };
        chain.start_button().await?;
        Ok(chain)
    }

    /// Starts the texter, with the store that it had before.
    ///
    /// # Errors
    /// When it does not start; the error shows its log.
    pub async fn start_texter(&mut self) -> anyhow::Result<()> {
        let mut variables = base(port(&self.texter_url)?);
        variables.extend(self.phone.account());
        variables.push(("SMS_TWILIO_BASE_URL", self.phone.url.clone()));
        if self.texter_checks {
            variables.push(("WEBHOOK_SECRET", self.secret.clone()));
        }
        let mut texter = Program::start("random-number-texter", self.data.path(), &[], &variables)?;
        texter.answers(&self.texter_url).await?;
        self.texter = Some(texter);
        Ok(())
    }

    /// Stops the texter.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop_texter(&mut self) -> anyhow::Result<()> {
        match self.texter.take() {
            Some(texter) => texter.stop().await,
            None => bail!("the texter is down already"),
        }
    }

    /// Starts the button, with the store that it had before.
    ///
    /// # Errors
    /// When it does not start; the error shows its log.
    pub async fn start_button(&mut self) -> anyhow::Result<()> {
        let mut variables = base(port(&self.button_url)?);
        variables.push(("WEBHOOK_URLS_1", self.texter_url.clone()));
        variables.push(("WEBHOOK_URLS_2", format!("polis={}", self.polis_url)));
        variables.push(("WEBHOOK_SECRET", self.secret.clone()));
        // In a test, a press does not cost the price of a text message.
        variables.push(("PRESSES_PER_MINUTE", "unlimited".to_owned()));
        let mut button = Program::start("random-number-button", self.data.path(), &[], &variables)?;
        button.answers(&self.button_url).await?;
        self.button = Some(button);
        Ok(())
    }

    /// Kills the button, as a crash would.
    ///
    /// # Errors
    /// When it is already down.
    pub async fn kill_button(&mut self) -> anyhow::Result<()> {
        match self.button.take() {
            Some(mut button) => button.kill().await,
            None => bail!("the button is down already"),
        }
    }

    /// Presses the button without a browser, as a program does.
    ///
    /// # Errors
    /// When the response is not a redirect to the number's page.
    pub async fn press(&self) -> anyhow::Result<Journey> {
        let answer = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?
            .post(format!("{}/", self.button_url))
            .send()
            .await?;
        let status = answer.status();
        let Some(location) = answer.headers().get("location") else {
            bail!("pressing answers {status}: {}", answer.text().await?);
        };
        ensure(status.as_u16() == 303, status.as_str())?;
        Journey::at(&self.button_url, location.to_str()?)
    }

    /// Waits until the page of `journey`, reloaded each time, contains all of `parts`; returns its
    /// text.
    ///
    /// # Errors
    /// When it does not within [`PATIENCE`]; the error shows the page.
    pub async fn page_says(&self, journey: &Journey, parts: &[&str]) -> anyhow::Result<String> {
        until("the page", PATIENCE, || async {
            let html = reqwest::get(&journey.url).await?.text().await?;
            let text = text_of(&html);
            for part in parts {
                ensure(text.contains(part), &format!("no {part:?} in {text:?}"))?;
            }
            Ok(text)
        })
        .await
    }

    /// The current page of `journey`, as text.
    ///
    /// # Errors
    /// When the button does not answer.
    pub async fn page(&self, journey: &Journey) -> anyhow::Result<String> {
        Ok(text_of(&reqwest::get(&journey.url).await?.text().await?))
    }

    /// The URL at which polis captures requests.
    #[must_use]
    pub fn capture_url(&self) -> &str {
        &self.polis_url
    }

    /// Everything that polis has logged so far.
    #[must_use]
    pub fn polis_log(&self) -> String {
        self.polis.log()
    }

    /// Everything that the programs have logged so far.
    #[must_use]
    pub fn logs(&self) -> String {
        [
            Some(&self.phone_program),
            self.texter.as_ref(),
            Some(&self.polis),
            self.button.as_ref(),
        ]
        .into_iter()
        .flatten()
        .map(Program::log)
        .collect()
    }

    /// The secret that the webhooks are signed with.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The directory in which the programs keep their files.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }
}

impl Journey {
    /// The journey that a page's URL identifies.
    ///
    /// # Errors
    /// When the URL identifies none.
    pub fn at(button_url: &str, address: &str) -> anyhow::Result<Self> {
        let query = address.split_once('?').context("no query")?.1;
        let value = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .with_context(|| format!("no {name} in {address}"))
        };
        let path = address.strip_prefix(button_url).unwrap_or(address);
        Ok(Self {
            number: value("num")?.parse()?,
            event_id: value("event")?,
            url: format!("{button_url}{path}"),
        })
    }
}

/// The variables that every program gets.
fn base(port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", port.to_string()),
        ("NO_COLOR", "1".to_owned()),
    ]
}

fn port(url: &str) -> anyhow::Result<u16> {
    let port = url.rsplit(':').next().context("no port")?;
    Ok(port.parse()?)
}

/// The text of a page: no tags, the five entities, single spaces.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        match part.split_once('>') {
            Some((_, outside)) => text.push_str(outside),
            None => text.push_str(part),
        }
        text.push(' ');
    }
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, character);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
