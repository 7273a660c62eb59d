//! dev-phone from outside: what arrived on it, and its switches.

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// dev-phone's development account, as its documentation states it.
pub(crate) const ACCOUNT: [(&str, &str); 4] = [
    ("SMS_TWILIO_SID", "AC00000000000000000000000000000000"),
    ("SMS_TWILIO_TOKEN", "dev-phone"),
    ("SMS_TWILIO_FROM_NUMBER", "+15005550006"),
    ("SMS_TWILIO_TO_NUMBER", "+15555550100"),
];

/// A running dev-phone.
#[derive(Debug, Clone)]
pub struct Phone {
    /// Its page.
    pub url: String,
}

impl Phone {
    /// The texts there are, newest first, as Twilio's API lists them.
    ///
    /// # Errors
    /// When the API does not answer as Twilio's does.
    pub async fn texts(&self) -> anyhow::Result<Vec<Value>> {
        let [(_, sid), (_, token), ..] = ACCOUNT;
        let basic = BASE64_STANDARD.encode(format!("{sid}:{token}"));
        let listed = reqwest::Client::new()
            .get(format!(
                "{}/2010-04-01/Accounts/{sid}/Messages.json?PageSize=1000",
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
    /// As [`Phone::texts`].
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
