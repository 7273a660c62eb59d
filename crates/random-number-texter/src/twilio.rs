//! Twilio's Messages API, as far as the texter needs it: creating a text and listing texts.
//!
//! It owns the meaning of an answer. It never repeats a request: whether that is safe is for the
//! caller to decide, who knows the ledger.

mod answer;

use std::time::Duration;

use http::header;
use reqwest::redirect::Policy;
use url::form_urlencoded;

use answer::LISTED_TEXTS_MAX;
pub(crate) use answer::{Created, Listed, LookedUp, reason};

use crate::{
    config::{Account, below},
    number::PhoneNumber,
    text::{Doubt, Reason},
    times::TimeLimits,
};

/// A created text takes about 800 bytes.
const CREATED_BYTES_MAX: usize = 64 * 1024;
/// Twice the size of that many texts, at about 900 bytes each.
const LISTED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A client of one account's Messages API, for texts from one sender to one number.
#[derive(Debug, Clone)]
pub(crate) struct Twilio {
    client: reqwest::Client,
    url: String,
    account: Account,
    from: PhoneNumber,
    to: PhoneNumber,
    times: TimeLimits,
}

/// A whole answer, or why there is none.
type Answered = Result<(http::StatusCode, Option<Duration>, Option<Vec<u8>>), reqwest::Error>;

impl Twilio {
    /// Makes a client; nothing is sent yet.
    pub(crate) fn new(
        account: Account,
        from: PhoneNumber,
        to: PhoneNumber,
        times: TimeLimits,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            // Connections are not reused: if the other side closed one while we write to it, we
            // would be left in doubt, and there are only few texts.
            .pool_max_idle_per_host(0)
            .connect_timeout(times.connect)
            .user_agent(concat!("random-number-texter/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let url = below(
            &account.base_url,
            &format!("2010-04-01/Accounts/{}/Messages.json", account.sid),
        );
        Ok(Self {
            client,
            url,
            account,
            from,
            to,
            times,
        })
    }

    /// Asks Twilio to text `body`, and to report what becomes of it to `callback`.
    pub(crate) async fn create(&self, body: &str, callback: Option<&str>) -> Created {
        let request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form(body, callback))
            .timeout(self.times.create);
        match self.send(request, CREATED_BYTES_MAX).await {
            Ok((status, retry_after, body)) => {
                answer::created(status, retry_after, body.as_deref().unwrap_or_default())
            }
            Err(error) if error.is_connect() => Created::NotTaken {
                reason: Reason::new(format!("Twilio can't be reached: {}", cause(&error))),
                retry_after: None,
            },
            Err(error) if error.is_builder() => Created::Refused {
                reason: Reason::new(format!("the request can't be made: {}", cause(&error))),
            },
            Err(error) if error.is_timeout() => Created::InDoubt {
                doubt: Doubt::Silent,
                reason: Reason::new(format!(
                    "Twilio was asked to send the text and did not answer within {} s",
                    self.times.create.as_secs_f64()
                )),
            },
            Err(error) => Created::InDoubt {
                doubt: Doubt::BrokenOff,
                reason: Reason::new(format!(
                    "Twilio was asked to send the text and did not answer: {}",
                    cause(&error)
                )),
            },
        }
    }

    /// Lists the latest texts from our sender to our number.
    ///
    /// Not narrowed down to a date of sending: a text that is still queued at Twilio has none yet.
    pub(crate) async fn look_up(&self) -> LookedUp {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("To", self.to.expose())
            .append_pair("From", self.from.expose())
            .append_pair("PageSize", &LISTED_TEXTS_MAX.to_string())
            .finish();
        let request = self
            .client
            .get(format!("{}?{query}", self.url))
            .timeout(self.times.look_up);
        match self.send(request, LISTED_BYTES_MAX).await {
            Ok((status, _, body)) => answer::looked_up(status, body.as_deref()),
            Err(error) => LookedUp::NoAnswer(format!("Twilio can't be asked: {}", cause(&error))),
        }
    }

    fn form(&self, body: &str, callback: Option<&str>) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", self.to.expose())
            .append_pair("From", self.from.expose())
            .append_pair("Body", body);
        if let Some(callback) = callback {
            form.append_pair("StatusCallback", callback);
        }
        form.finish()
    }

    /// Makes one request, and reads its answer to the end; no body if that is larger than `bytes_max`.
    async fn send(&self, request: reqwest::RequestBuilder, bytes_max: usize) -> Answered {
        let mut response = request
            .basic_auth(&self.account.sid, Some(self.account.token.expose()))
            .send()
            .await
            .map_err(reqwest::Error::without_url)?;
        let status = response.status();
        let retry_after = answer::retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(bytes) = response
            .chunk()
            .await
            .map_err(reqwest::Error::without_url)?
        {
            if body.len() + bytes.len() > bytes_max {
                return Ok((status, retry_after, None));
            }
            body.extend_from_slice(&bytes);
        }
        Ok((status, retry_after, Some(body)))
    }
}

/// The innermost reason, without the URL (it has the account and a phone number in it).
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
