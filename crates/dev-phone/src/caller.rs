//! How the phone calls a program: a signed form, a time limit, a bounded answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::header;
use tokio::sync::Semaphore;
use webhooks_core::scheme::SignError;

use crate::{account::AuthToken, call_url::CallUrl, signature};

/// Twilio gives a program 15 seconds to answer.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// Twilio reads at most 64 kB of an answer.
const LARGEST_ANSWER_BYTES: usize = 64 * 1024;

/// Maximum number of requests in flight: enough for a burst of texts, too few to trouble a laptop.
const CALLS_AT_ONCE: usize = 32;

/// What a program answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why no complete answer came. The messages are shown on the page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no connection, so nothing seems to listen there")]
    Connect,
    #[error("no answer within {} s", TIME_LIMIT.as_secs())]
    Time,
    #[error("the answer is larger than {LARGEST_ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("the connection closed without a whole answer")]
    Broken,
    #[error(transparent)]
    Unsigned(#[from] SignError),
}

/// Posts signed forms.
#[derive(Debug)]
pub(crate) struct Caller {
    client: reqwest::Client,
    places: Arc<Semaphore>,
}

impl Caller {
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A proxy that the environment names cannot reach a program on this machine.
            .no_proxy()
            .timeout(TIME_LIMIT)
            .user_agent("TwilioProxy/1.1")
            .build()?;
        Ok(Self {
            client,
            places: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
        })
    }

    /// Posts `form` to `url` with the signature of `token`.
    pub(crate) async fn post(
        &self,
        url: &CallUrl,
        token: &AuthToken,
        form: &[(String, String)],
    ) -> Result<Answer, CallError> {
        let Ok(_place) = self.places.acquire().await else {
            return Err(CallError::Broken);
        };
        let signature = signature::sign(token, url.text(), form)?;
        let body = signature::encoded(form);
        let started = Instant::now();
        let mut response = self
            .client
            .post(url.url().clone())
            .header(header::CONTENT_TYPE, signature::FORM)
            .header("x-twilio-signature", signature)
            .body(body)
            .send()
            .await
            .map_err(|error| reason(&error))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
            if bytes.len() + chunk.len() > LARGEST_ANSWER_BYTES {
                return Err(CallError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Ok(Answer {
            status: response.status().as_u16(),
            content_type: content_type.to_owned(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
            took: started.elapsed(),
        })
    }
}

fn reason(error: &reqwest::Error) -> CallError {
    if error.is_timeout() {
        CallError::Time
    } else if error.is_connect() {
        CallError::Connect
    } else {
        CallError::Broken
    }
}
