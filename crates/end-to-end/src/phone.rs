//! dev-phone from the outside: what arrived on it, and its switches.

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// dev-phone's development account, as documented there.
const SID: &str = "AC00000000000000000000000000000000";
const FROM: &str = "+15005550006";
const TO: &str = "+15555550100";
const TOKEN: &str = "dev-phone";

/// A running dev-phone.
#[derive(Debug, Clone)]
pub struct Phone {
    /// Its page.
    pub url: String,
    token: String,
}

impl Phone {
    /// The phone at `url`, with the development account.
    #[must_use]
    pub fn at(url: String) -> Self {
        Self {
            url,
            token: TOKEN.to_owned(),
        }
    }

    /// The same with another auth token.
    #[must_use]
    pub(crate) fn token(self, token: Option<&str>) -> Self {
        let token = token.map_or(self.token, str::to_owned);
        Self { token, ..self }
    }

    /// The account's variables, for the phone itself and for whoever sends texts through it.
    pub(crate) fn account(&self) -> [(&'static str, String); 4] {
        [
            ("SMS_TWILIO_SID", SID.to_owned()),
            ("SMS_TWILIO_TOKEN", self.token.clone()),
            ("SMS_TWILIO_FROM_NUMBER", FROM.to_owned()),
            ("SMS_TWILIO_TO_NUMBER", TO.to_owned()),
        ]
    }

    /// The existing texts, newest first, as Twilio's API lists them.
    ///
    /// # Errors
    /// When the API does not respond as Twilio's does.
    pub async fn texts(&self) -> anyhow::Result<Vec<Value>> {
        let basic = BASE64_STANDARD.encode(format!("{SID}:{}", self.token));
        let listed = reqwest::Client::new()
            .get(format!(
                "{}/2010-04-01/Accounts/{SID}/Messages.json?PageSize=1000",
                self.url
            ))
            .header("authorization", format!("Basic {basic}"))
            .send()
            .await?
            .text()
            .await?;
        let mut listed: Value = serde_json::from_str(&listed)?;
        match listed["messages"].take() {
            Value::Array(texts) => Ok(texts),
            _ => bail!("no messages in {listed}"),
        }
    }

    /// The bodies of the texts, newest first.
    ///
    /// # Errors
    /// Those of [`Phone::texts`].
    pub async fn bodies(&self) -> anyhow::Result<Vec<String>> {
        let texts = self.texts().await?;
        let body = |text: &Value| text["body"].as_str().map(str::to_owned);
        texts
            .iter()
            .map(|text| body(text).context("a text without a body"))
            .collect()
    }

    /// Sets switches: `answer`, `times`, `airplane`, `delivery_error`, `slow_seconds`.
    ///
    /// # Errors
    /// When the phone refuses them.
    pub async fn switch(&self, switches: &[(&str, &str)]) -> anyhow::Result<()> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(switches)
            .finish();
        let answer = reqwest::Client::new()
            .post(format!("{}/switches", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form)
            .send()
            .await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("the switches answer {status}: {}", answer.text().await?);
        }
        Ok(())
    }
}
