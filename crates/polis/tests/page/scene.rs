//! Requests that a page has something to say about.

use std::time::Duration;

use jiff::Timestamp;
use polis::{Listener, Preset, RuleSpec, SigningSecret, ToSign, Verification, sign};
use serde_json::Value;

/// The secret that the scene's listener accepts.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// One that it no longer accepts.
pub(crate) const OLD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A test that waits longer has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A client with a time limit and without a proxy.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(DEADLINE)
        .build()
        .unwrap()
}

/// A rule as it is written in JSON.
pub(crate) fn rule(json: &str) -> Vec<RuleSpec> {
    vec![serde_json::from_str(json).unwrap()]
}

fn secret(text: &str) -> SigningSecret {
    SigningSecret::new(text, Preset::Standard).unwrap()
}

/// A listener that checks signatures of Standard Webhooks.
pub(crate) async fn verifying() -> Listener {
    let listener = Listener::start().await.unwrap();
    listener.verify(Verification {
        preset: Preset::Standard,
        secrets: vec![secret(SECRET)],
        old_secrets: vec![secret(OLD_SECRET)],
        public_url: None,
        enforce: false,
    });
    listener
}

/// An event on its way.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) body: String,
    /// What is sent instead of what was signed.
    pub(crate) changed: Option<String>,
    pub(crate) secret: &'static str,
    /// How old the timestamp is.
    pub(crate) age_s: i64,
}

impl Sent {
    /// `random_number:generate` with this number, validly signed.
    pub(crate) fn number(id: &'static str, number: u32) -> Self {
        Self {
            path: "/hooks",
            id,
            body: format!(r#"{{"id":"{id}","event":"random_number:generate","data":{number}}}"#),
            changed: None,
            secret: SECRET,
            age_s: 0,
        }
    }

    /// Sends it and returns the status that came back.
    pub(crate) async fn to(&self, listener: &Listener) -> u16 {
        let what = ToSign {
            id: self.id,
            at: Timestamp::now() - jiff::SignedDuration::from_secs(self.age_s),
            url: "",
            content_type: None,
            body: self.body.as_bytes(),
        };
        let mut request = client()
            .post(listener.url() + self.path)
            .header("content-type", "application/json")
            .header("user-agent", "webhooks/0.1")
            .body(self.changed.clone().unwrap_or_else(|| self.body.clone()));
        for (name, value) in sign(Preset::Standard, &secret(self.secret), &what).unwrap() {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }
}

/// Gets a path of the page's listener.
pub(crate) async fn get(listener: &Listener, path: &str) -> (u16, String) {
    let answer = client()
        .get(listener.page_url() + path)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The JSON at a path of the API.
pub(crate) async fn json(listener: &Listener, path: &str) -> Value {
    serde_json::from_str(&get(listener, path).await.1).unwrap()
}
