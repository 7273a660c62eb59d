//! One POST to a provider, and what its response means.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use reqwest::redirect::Policy;
use url::Url;
use webhooks_core::{RETRY_AFTER_MAX, Secret, signature};

use super::attempt::{Outcome, cut};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// From connecting to the end of the response; the engine waits longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Providers answer with a word or a short JSON text.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How much of a response is shown to people.
const ANSWER_CHARS_SHOWN: usize = 300;

/// A client that follows no redirects and retries nothing by itself.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    builder().build()
}

pub(super) fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        // When the other side closes a reused connection while we write to it, we cannot know
        // whether the request arrived.
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_LIMIT)
        .timeout(ANSWER_LIMIT)
        .user_agent(concat!("relay/", env!("CARGO_PKG_VERSION")))
}

/// A POST with a JSON body.
#[derive(Debug)]
pub(crate) struct Post {
    /// The recipient's name in texts for people, such as `Slack`.
    pub(super) provider: &'static str,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Post {
    pub(super) fn json(provider: &'static str, url: &Url, body: &serde_json::Value) -> Self {
        Self {
            provider,
            url: url.clone(),
            headers: HeaderMap::new(),
            body: body.to_string().into_bytes(),
        }
    }

    /// Signs it according to Standard Webhooks.
    pub(super) fn sign(&mut self, secret: Option<&Secret>, id: &str, now: Timestamp) {
        let Some(secret) = secret else {
            return;
        };
        let at = now.as_second();
        let signed = signature::sign(std::slice::from_ref(secret), id, at, &self.body);
        let values = [
            (signature::WEBHOOK_ID, id.to_owned()),
            (signature::WEBHOOK_TIMESTAMP, at.to_string()),
            (signature::WEBHOOK_SIGNATURE, signed),
        ];
        for (name, value) in values {
            let value = HeaderValue::from_str(&value).expect("ids, numbers and base64 are ASCII");
            self.headers.insert(name, value);
        }
    }

    pub(super) async fn perform(self, client: &reqwest::Client) -> Outcome {
        let json = HeaderValue::from_static("application/json");
        let request = client
            .post(self.url)
            .headers(self.headers)
            .header(header::CONTENT_TYPE, json)
            .body(self.body);
        match answer(request).await {
            Ok(answer) => answer.judge(self.provider),
            Err(error) => unanswered(self.provider, &error),
        }
    }
}

/// The response.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// `None` when it is too long.
    pub(super) body: Option<Vec<u8>>,
}

/// Sends a request and reads the response.
pub(super) async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    // The status says whether it was accepted; a body that breaks off does not change that.
    while let Ok(Some(bytes)) = response.chunk().await {
        if body.len() + bytes.len() > ANSWER_BYTES_MAX {
            return Ok(Answer {
                status,
                retry_after,
                body: None,
            });
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Answer {
        status,
        retry_after,
        body: Some(body),
    })
}

/// `Retry-After` in seconds, possibly with a fraction, as Discord sends it; or as a date, by the
/// sender's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let date = |name| httpdate::parse_http_date(text(name)?).ok();
    let asked = match text(header::RETRY_AFTER)?.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds.max(0.0).ceil()).ok()?,
        Err(_) => {
            let until = date(header::RETRY_AFTER)?.duration_since(date(header::DATE)?);
            until.unwrap_or_default()
        }
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

impl Answer {
    pub(super) fn judge(&self, provider: &str) -> Outcome {
        let status = self.status;
        let words = self.words();
        let text = match words.is_empty() {
            true => format!("{provider} answered {}", status.as_u16()),
            false => format!("{provider} answered {}: {words}", status.as_u16()),
        };
        if status.is_success() {
            return Outcome::done(text);
        }
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Outcome::Failed {
                reason: text,
                retry_after: self.retry_after,
                // The request was turned away before anything was done.
                in_doubt: false,
            },
            // What was sent is at fault, and always will be.
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => Outcome::Refused { reason: text },
            status if status.is_server_error() => Outcome::in_doubt(text),
            // The address or the credentials are at fault; once somebody corrects them, it gets
            // through.
            _ => Outcome::failed(text),
        }
    }

    /// The beginning of the body, for people.
    pub(super) fn words(&self) -> String {
        let body = self.body.as_deref().unwrap_or_default();
        let text = String::from_utf8_lossy(body);
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || c.is_control())
            .collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        cut(&words.join(" "), ANSWER_CHARS_SHOWN)
    }
}

/// A request without a response: it is not known whether it arrived, unless there was no
/// connection.
pub(super) fn unanswered(provider: &str, error: &reqwest::Error) -> Outcome {
    let cause = cause(error);
    if error.is_connect() || error.is_builder() {
        Outcome::failed(format!("{provider} can't be reached: {cause}"))
    } else if error.is_timeout() {
        let limit = ANSWER_LIMIT.as_secs();
        Outcome::in_doubt(format!("{provider} did not answer within {limit} s"))
    } else {
        Outcome::in_doubt(format!("{provider} did not answer: {cause}"))
    }
}

/// The innermost cause; the outer ones contain the URL, which may hold a secret.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl fmt::Display for Post {
    /// Leaves out the URL's path and the headers' values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "POST {}/…", self.url.origin().ascii_serialization())?;
        for name in self.headers.keys() {
            writeln!(f, "{name}: …")?;
        }
        let body: Result<serde_json::Value, _> = serde_json::from_slice(&self.body);
        match body {
            Ok(body) => write!(f, "{body:#}"),
            Err(_) => f.write_str(&String::from_utf8_lossy(&self.body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_a_fraction_of_them_or_a_date() {
        let asked = |values: &[(header::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.insert(name, value.parse().unwrap());
            }
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let after = |value| (header::RETRY_AFTER, value);
        assert_eq!(asked(&[after("30")]), Some(30));
        assert_eq!(asked(&[after("0.3")]), Some(1));
        assert_eq!(asked(&[after("1e300")]), None);
        assert_eq!(
            asked(&[after("999999999")]),
            Some(RETRY_AFTER_MAX.as_secs())
        );
        let date = (header::DATE, "Thu, 24 Aug 2023 05:00:00 GMT");
        let until = after("Thu, 24 Aug 2023 05:01:40 GMT");
        assert_eq!(asked(&[until.clone(), date]), Some(100));
        assert_eq!(asked(&[until]), None);
        assert_eq!(asked(&[after("soon")]), None);
        assert_eq!(asked(&[]), None);
    }
}
